package watch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/lang"
)

// phonebook is what a box knows of its phones.
type phonebook struct {
	phones map[netip.Addr]Phone
	root   *x509.Certificate
}

func (p *phonebook) PhoneAt(a netip.Addr) Phone      { return p.phones[a] }
func (p *phonebook) InternalRoot() *x509.Certificate { return p.root }

const phonesAtLAN = twoPorts + `authentication-service AUTH
  username 21 password hush
location-service LS
  domain 1 192.168.1.1
  identity 21
    authentication inbound
      authenticate 1 authentication-service AUTH
    registration inbound
context cs SWITCH
  interface sip if_phones
    bind context sip-gateway pbx
    use location-service LS
    trust 192.168.1.0/24
  interface sip if_pbx
    remote 192.168.1.100 5060
    trust 192.168.1.0/24
provisioning-service PROV
  bind ipaddress ROUTER LAN LAN
  protocol http
  use location-service LS
  no shutdown
`

// book is a Watch that has phones in the LAN, and a certificate with its root.
func book(t *testing.T) (e *eyes, look func(), known *phonebook, leaf, root *x509.Certificate) {
	t.Helper()
	e = watching(t)
	cfg, problems := lang.New().Parse([]byte(phonesAtLAN))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	e.cfg = cfg
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, root = issued(t, key, "192.168.1.1", time.Now().AddDate(1, 0, 0))
	known = &phonebook{phones: map[netip.Addr]Phone{}}
	return e, func() { e.Look(Sight{Now: time.Now(), Config: e.cfg, Phones: known}) }, known, leaf, root
}

var old = netip.MustParseAddr("192.168.1.51")

func TestAPhoneThatDoesNotKnowOurRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, look, known, leaf, root := book(t)
		refuses := func(at netip.Addr, alert string) {
			e.Refused(Refusal{Gateway: "pbx", From: at, Alert: alert, Chain: []*x509.Certificate{leaf}, At: time.Now()})
			look()
		}
		// Once its settings are fetched, or it has registered otherwise, it has a name.
		refuses(old, "unknown_ca")
		e.want("an unknown phone", "phone-tls 192.168.1.51")
		if a := e.Current()[0]; !strings.HasPrefix(a.Text, `phone 192.168.1.51 (of a make that is not known yet) refuses the certificate of context sip-gateway pbx: it does not know the root "Some CA" (unknown_ca)`) {
			t.Error(a.Text)
		}
		known.phones[old] = Phone{UserAgent: "Yealink SIP-T46S 66.86.0.15 00:15:65:aa:bb:cc"}
		look()
		a := e.Current()[0]
		if !strings.HasPrefix(a.Text, "phone 192.168.1.51 (Yealink T46S, firmware 66.86.0.15) refuses the certificate") {
			t.Error(a.Text)
		}
		for _, cure := range []string{"Upload this root to the phone, as its issuer publishes it", "context sip-gateway pbx shows it with `use profile tls`", "register by UDP", "docs/phones.md"} {
			if !strings.Contains(a.Advice, cure) {
				t.Errorf("%q is missing in %s", cure, a.Advice)
			}
		}
		known.root = root
		look()
		if a := e.Current()[0]; !strings.HasPrefix(a.Advice, "Upload this root to the phone: http://192.168.1.1:8080/ca.pem has it, and `show pki internal-ca` shows it. ") {
			t.Error(a.Advice)
		}
		e.cfg.Provisioning[0].Enabled = false
		look()
		if a := e.Current()[0]; !strings.HasPrefix(a.Advice, "Upload this root to the phone: `show pki internal-ca` shows it. ") {
			t.Error(a.Advice)
		}

		time.Sleep(time.Second)
		known.phones[old] = Phone{Registered: time.Now(), Secured: time.Now().Add(-time.Hour)}
		look()
		e.want("it has registered by UDP", "phone-tls 192.168.1.51")
		time.Sleep(time.Second)
		known.phones[old] = Phone{Registered: time.Now(), Secured: time.Now()}
		look()
		e.want("it has registered over TLS")

		time.Sleep(time.Second)
		refuses(old, "unknown_ca")
		e.want("it has lost the root again", "phone-tls 192.168.1.51")
		time.Sleep(distrustedFor - time.Second)
		look()
		e.want("nearly a day later", "phone-tls 192.168.1.51")
		time.Sleep(time.Second)
		look()
		e.want("a day later")

		refuses(old, "bad_certificate")
		time.Sleep(time.Minute)
		known.phones[old] = Phone{Registered: time.Now()}
		look()
		e.want("it registers by UDP, and may try TLS again", "phone-tls 192.168.1.51")
		time.Sleep(otherwise)
		look()
		e.want("it has not")
	})
}

func TestWhatAPhoneHasAgainstOurCertificate(t *testing.T) {
	e, look, _, leaf, _ := book(t)
	for alert, want := range map[string]string{
		"unknown_ca": "Upload this root", "bad_certificate": "Upload this root", "certificate_unknown": "Upload this root",
		"certificate_expired": "let the phone set its clock", "unsupported_certificate": "RSA keys of 2048 bits",
	} {
		e.Refused(Refusal{Gateway: "pbx", From: old, Alert: alert, Chain: []*x509.Certificate{leaf}, At: time.Now()})
		look()
		if a := e.Current(); len(a) != 1 || !strings.Contains(a[0].Advice, want) || !strings.Contains(a[0].Text, alert) ||
			strings.Contains(want, "root") != strings.Contains(a[0].Text, `not know the root "Some CA"`) {
			t.Errorf("%s: %+v", alert, a)
		}
	}
}

// Who is no phone has alarms of his own, and who sends many alerts from many addresses gets no memory of ours.
func TestWhoIsNoPhone(t *testing.T) {
	e, look, _, leaf, _ := book(t)
	now := time.Now()
	refuses := func(gateway, from string, chain ...*x509.Certificate) {
		e.Refused(Refusal{Gateway: gateway, From: netip.MustParseAddr(from), Alert: "unknown_ca", Chain: chain, At: now})
	}
	refuses("pbx", "192.168.1.100", leaf)
	refuses("pbx", "192.168.2.51", leaf)
	refuses("teams", "192.168.1.52", leaf)
	refuses("pbx", "192.168.1.53")
	look()
	e.want("the PBX, another network, another gateway, no certificate")
	for n := range 2 * maxDistrust {
		now = now.Add(time.Millisecond)
		refuses("pbx", fmt.Sprintf("192.168.1.%d", n%200), leaf)
		refuses("pbx", fmt.Sprintf("10.0.%d.%d", n/200, n%200), leaf)
		if len(e.distrust) > maxDistrust {
			t.Fatalf("%d are remembered", len(e.distrust))
		}
	}
	look()
	if len(e.Current()) == 0 {
		t.Error("those that were first are told of no more")
	}
}

func TestModel(t *testing.T) {
	for userAgent, want := range map[string]string{
		"": "", "Yealink SIP-T46S 66.86.0.15": "Yealink T46S, firmware 66.86.0.15",
		"Yealink SIP-T54W": "Yealink T54W",
		"Mozilla/4.0 (compatible; snomD735-SIP 10.1.73.16 1.0.0 000413AABBCC)": "Snom D735, firmware 10.1.73.16",
		"Linphonec/5.1.65 (belle-sip/5.1.64)":                                  "Linphonec/5.1.65 (belle-sip/5.1.64)",
		"evil\x1b[2J\r\nx 1.0":                                                 `evil\x1b[2J\x0d\x0ax 1.0`,
		strings.Repeat("x", 300):                                               strings.Repeat("x", 97) + "...",
	} {
		if got := model(userAgent); got != want {
			t.Errorf("%q: %q, want %q", userAgent, got, want)
		}
	}
}
