package watch

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/handset"
	"viaduct/appliance/health"
	"viaduct/appliance/printable"
)

const (
	distrustedFor = 24 * time.Hour   // how long a refusal is told of when nothing more is heard
	otherwise     = 10 * time.Minute // a phone that has registered in another way since, and has not tried TLS for so long, has been changed
	maxDistrust   = 256              // phones
)

// Phones tells of phones, and is asked only when one of them has refused a certificate.
type Phones interface {
	// PhoneAt is what is known of the phone at an address.
	PhoneAt(netip.Addr) Phone
	// InternalRoot is the root of the internal CA; nil: there is none.
	InternalRoot() *x509.Certificate
}

// Phone is what is known of the phone at an address.
type Phone struct {
	UserAgent  string    // of its last registration, or else its last fetch of settings; "": none is known
	Registered time.Time // when it last registered, in whatever way; zero: not since the start
	Secured    time.Time // likewise, over TLS
}

// Refusal is an alert with which a phone has refused our certificate.
type Refusal struct {
	Gateway string
	From    netip.Addr
	Alert   string              // "unknown_ca"
	Chain   []*x509.Certificate // what we showed, leaf first
	At      time.Time
}

// Refused takes a refusal. It may be called from any goroutine. Of many phones the last are remembered.
func (w *Watch) Refused(r Refusal) {
	if len(r.Chain) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.distrust[r.From]; !known && len(w.distrust) >= maxDistrust {
		oldest := r
		for _, x := range w.distrust {
			if x.At.Before(oldest.At) {
				oldest = x
			}
		}
		delete(w.distrust, oldest.From)
	}
	w.distrust[r.From] = r
}

// phones tells of phones that do not trust our certificate, until they do, are changed to do without, or have not been heard of for a day.
func (w *Watch) phones(now time.Time, cfg *config.Config, all Phones) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []health.Args
	for addr, r := range w.distrust {
		var p Phone
		if all != nil {
			p = all.PhoneAt(addr)
		}
		switch {
		case p.Secured.After(r.At), now.Sub(r.At) >= distrustedFor, now.Sub(r.At) >= otherwise && p.Registered.After(r.At), !isPhone(cfg, r):
			delete(w.distrust, addr)
			continue
		}
		var internal *x509.Certificate
		if all != nil {
			internal = all.InternalRoot()
		}
		why, cure := r.judge(cfg, internal)
		list = append(list, health.Args{"phone": addr.String(), "model": cmp.Or(model(p.UserAgent), "of a make that is not known yet"), "gateway": r.Gateway, "why": why, "cure": cure})
	}
	w.health.Replace(health.PhoneTLS, list)
}

// isPhone reports whether a refusal came from an address that a gateway expects phones at, and no other peer.
func isPhone(cfg *config.Config, r Refusal) (is bool) {
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if i.Gateway.Name != r.Gateway {
				continue
			}
			if i.Remote.Host == r.From.String() {
				return false
			}
			for _, t := range i.Trust {
				is = is || !i.Phones.IsZero() && t.Prefix.IsValid() && t.Prefix.Contains(r.From)
			}
		}
	}
	return is
}

// judge says what a phone has against our certificate, and what can be done about it.
func (r Refusal) judge(cfg *config.Config, internal *x509.Certificate) (why, cure string) {
	switch r.Alert {
	case "certificate_expired":
		return "it takes it for expired (" + r.Alert + ")", fmt.Sprintf("The certificate is good until %s: let the phone set its clock, by DHCP option 42 or a time server in its settings. If the certificate has expired, see to its successor.",
			r.Chain[0].NotAfter.UTC().Format(time.DateOnly))
	case "unsupported_certificate":
		return "it cannot read it (" + r.Alert + ")", "Old phones take RSA keys of 2048 bits and SHA-256: `generate pki:certificate/PHONES internal-ca` makes such a certificate, for a profile tls that the gateway uses. " + byUDP
	}
	end := r.Chain[len(r.Chain)-1]
	root := cmp.Or(end.Issuer.CommonName, end.Issuer.String())
	why = fmt.Sprintf("it does not know the root %q (%s)", printable.Short(root, 80), r.Alert)
	if r.Alert != "unknown_ca" { // Linphone says bad_certificate of every fault, another name in the certificate among them
		why = fmt.Sprintf("it does not believe it (%s), most likely as it does not know the root %q", r.Alert, printable.Short(root, 80))
	}
	if internal != nil && (end.Equal(internal) || end.CheckSignatureFrom(internal) == nil) {
		return why, "Upload this root to the phone: " + served(cfg) + "`show pki internal-ca` shows it. Or give the gateway a certificate of an issuer that the phone knows. " + byUDP
	}
	return why, fmt.Sprintf("Upload this root to the phone, as its issuer publishes it. Or have the gateway show a certificate of the internal CA, whose root the phone gets once: "+
		"`generate pki:certificate/PHONES internal-ca` makes one, and context sip-gateway %s shows it with `use profile tls` and a profile of it. ", r.Gateway) + byUDP
}

const byUDP = "Or let the phones of the LAN register by UDP: then others in the LAN can read what they say. docs/phones.md has the steps of each maker."

// served says where phones and people find the root of the internal CA.
func served(cfg *config.Config) string {
	for _, p := range cfg.Provisioning {
		if a := cfg.Address(p.Bind); p.Enabled && p.HTTP.Port != 0 && a.IsValid() {
			return "http://" + netip.AddrPortFrom(a, p.HTTP.Port).String() + "/ca.pem has it, and "
		}
	}
	return ""
}

// model is maker, model and firmware by a User-Agent, or all that it says where the maker is not known.
func model(userAgent string) string {
	d := handset.Identify(userAgent)
	if d.Maker == "" {
		return strings.TrimSpace(printable.Short(userAgent, 100))
	}
	text := strings.TrimSpace(d.Maker + " " + d.Model)
	if d.Firmware != "" {
		text += ", firmware " + d.Firmware
	}
	return text
}
