package lab

import (
	"bytes"
	"crypto/ed25519"
	_ "embed"
	"fmt"
	"strings"

	"viaduct/appliance/license"
)

// Configuration is the reference configuration: STARFACE on one side, Teams on the other, in the names and addresses of the world.
//
//go:embed starface-teams.cfg
var Configuration string

// Setup says what is pasted into a fresh box.
type Setup struct {
	// Configuration is pasted after keys and licenses; "": the reference configuration.
	Configuration string
	// Sessions and Channels are license counts; 0: no such license.
	Sessions, Channels int
	Registrar          bool // phones may register
	// Key, Certificate and Chain are PEM texts pasted in place of the box's own; all nil: its own.
	Key, Certificate, Chain []byte
}

// Paste writes what an integrator pastes: PEM blocks, licenses with their comment lines, the configuration, and what is special here.
func (w *World) Paste(s Setup) (string, error) {
	if s.Key == nil {
		key, err := w.PKI.BoxKeyPEM()
		if err != nil {
			return "", err
		}
		s.Key, s.Certificate, s.Chain = key, w.PKI.BoxCertificatePEM(), w.PKI.BoxChainPEM()
	}
	if s.Configuration == "" {
		s.Configuration = Configuration
	}
	var b bytes.Buffer
	b.WriteString("enable\n")
	for _, item := range []struct {
		name string
		pem  []byte
	}{
		{"private-key/myprivate.key", s.Key}, {"certificate/MYCERTIFICATE", s.Certificate}, {"certificate/CA", s.Chain}, {"certificate/TEAMSROOT", w.PKI.TeamsRootPEM()},
	} {
		fmt.Fprintf(&b, "import pki:%s\n%s\n", item.name, item.pem)
	}
	b.WriteString("configure\n")
	counts := map[license.Kind]int{license.SIPSessions: s.Sessions, license.SRTPChannels: s.Channels}
	if s.Registrar {
		counts[license.SIPRegistrar] = 1
	}
	authority, keys, err := w.Licenses(counts)
	if err != nil {
		return "", err
	}
	b.WriteString(authority + "\n" + keys + s.Configuration)
	b.WriteString(special)
	return b.String(), nil
}

// PairLines are those of a pair in the configuration; %d: the interval of adverts, %s: the keys of box 1 and box 2.
const PairLines = `
context ip ROUTER
  interface if_eth02
port ethernet 0 2
  bind interface ROUTER if_eth02
  no shutdown
redundancy
  virtual-router 173
  advertise-interval %d
  box 1 key %s
  box 2 key %s
  interface ROUTER if_eth00
    box 1 192.168.1.2/24
    box 2 192.168.1.3/24
    witness 192.168.1.100
  interface ROUTER if_eth01
    box 1 123.123.123.121/28
    box 2 123.123.123.122/28
  interface ROUTER if_eth02
    box 1 10.99.0.1/30
    box 2 10.99.0.2/30
    direct
`

// PairPorts is what the second box needs beside them, to find the first one.
const PairPorts = `
context ip ROUTER
  interface if_eth00
    ipaddress if_eth00 192.168.1.1/24
  interface if_eth01
    ipaddress if_eth01 123.123.123.123/28
  routing-table DEFAULT
    route 0.0.0.0/0 gateway 123.123.123.113 metric 0
port ethernet 0 0
  bind interface ROUTER if_eth00
  no shutdown
port ethernet 0 1
  bind interface ROUTER if_eth01
  no shutdown
`

// special is what this world needs besides the guide's configuration: Teams' certificate comes from the lab, and the PBX is in
// Germany, so that its 0030123456 becomes the +4930123456 that Teams wants.
const special = `
profile tls pf_tls_default
  trusted-certificate 1 pki:certificate/TEAMSROOT
context cs SWITCH
  international-prefix 00
  national-prefix 0
  country-code 49
end
`

// Licenses makes keys of an issuer that is the world's own. It returns the line that makes the box trust the
// issuer, and the lines that install the keys, each under its comments. Kinds with a count of 0 are left out.
func (w *World) Licenses(counts map[license.Kind]int) (authority, keys string, err error) {
	if w.issuer == nil {
		if _, w.issuer, err = ed25519.GenerateKey(nil); err != nil {
			return "", "", fmt.Errorf("make license issuer: %w", err)
		}
	}
	authority = "license-authority lab " + license.FormatIssuer(w.issuer.Public().(ed25519.PublicKey))
	var b strings.Builder
	for _, kind := range []license.Kind{license.SIPSessions, license.SRTPChannels, license.SIPRegistrar} {
		count := counts[kind]
		if count == 0 {
			continue
		}
		w.licenses++
		l := license.License{Kind: kind, Count: count, Serial: w.licenses}
		key, err := license.Sign(w.issuer, l)
		if err != nil {
			return "", "", fmt.Errorf("make license: %w", err)
		}
		fmt.Fprintf(&b, "# %s\n# issued by the lab\ninstall license %s\n", l, key)
	}
	return authority, b.String(), nil
}
