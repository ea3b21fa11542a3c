package lab

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// acmeState is a line of `show acme NAME`.
func (r *running) acme(name, line string) string {
	r.t.Helper()
	out, err := r.box.Exec(r.ctx, "show acme "+name)
	if err != nil {
		r.t.Fatal(err, out)
	}
	_, rest, _ := strings.Cut(out, "  "+line+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// TestACertificateIsRenewedTenTimesUnderCalls renews a certificate that lives for ten minutes, by Pebble, with challenge http. Then the hubs
// refuse one.
func TestACertificateIsRenewedTenTimesUnderCalls(t *testing.T) {
	r := newRunning(t)
	r.patience(6 * time.Minute) // ten orders, and a refusal that has to last
	r.start(Setup{Sessions: 4, Channels: 4})
	p := startPebble(r, "")
	r.Teams.Trust(r.PKI.BoxRoot, p.root)
	if out, err := r.box.Paste(r.ctx, p.trust("PEBBLEROOT")+`configure
profile acme sbc
  directory https://`+pebbleName+`:14000/dir ca pki:certificate/PEBBLEWEB
  contact admin@meinefirma.de
  name `+SBCName+`
  challenge http
  certificate pki:certificate/MYCERTIFICATE
  private-key pki:private-key/myprivate.key
end
`); err != nil {
		t.Fatal(err, out)
	}
	outA, inA := r.fromTeams(Dial{})
	outB, inB := r.fromPBX(Ring{})

	renew := func() {
		t.Helper()
		if out, err := r.box.Exec(r.ctx, "acme renew sbc"); err != nil {
			t.Fatal(err, out)
		}
	}
	shown := func() *x509.Certificate { return r.boxCertificate().PeerCertificates[0] }
	before, keys := shown(), map[string]bool{}
	for n := range 10 {
		renew()
		r.wait(fmt.Sprintf("certificate %d is taken by all hubs", n+1), func() bool {
			return strings.Count(r.log.String(), `msg="certificate renewed" name=sbc`) == n+1 && r.acme("sbc", "State") == "idle"
		})
		if shown().Equal(before) {
			t.Fatal("the hubs see the old one")
		}
		before = shown()
		keys[string(before.RawSubjectPublicKeyInfo)] = true
		if chain := r.boxCertificate().PeerCertificates; len(chain) < 3 || chain[0].VerifyHostname(SBCName) != nil || chain[0].NotAfter.Sub(chain[0].NotBefore) > 10*time.Minute {
			t.Fatalf("%d certificates, for %v", len(chain), chain[0].DNSNames)
		}
		if n == 0 { // the chain comes along now
			if _, err := r.box.ExecIn(r.ctx, []string{"enable", "configure", "profile tls pf_tls_default"}, "no own-certificate 2"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(keys) != 10 {
		t.Errorf("%d keys", len(keys))
	}
	if err := r.Teams.WaitActive(r.ctx); err != nil {
		t.Error(err)
	}
	// Nobody answers at port 80 now, and the firewall says nothing either.
	short, cancel := context.WithTimeout(r.ctx, time.Second)
	defer cancel()
	if conn, err := r.WAN.Dial(short, "tcp4", StrangerAddr.String(), netip.AddrPortFrom(BoxWAN, 80).String()); err == nil || !os.IsTimeout(err) {
		t.Errorf("port 80: %v, %v", conn, err)
	}

	// Pebble has another root after a restart, and the hubs do not know it.
	r.tolerates = []string{"certificate", "503 Connection Failed to OPTIONS"} // of hubs that refuse the certificate
	if err := p.process.Stop(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.start("")
	if out, err := r.box.Paste(r.ctx, p.trust("PEBBLEROOT2")); err != nil {
		t.Fatal(err, out)
	}
	renew()
	r.wait("the new certificate is taken back", func() bool { return strings.Contains(r.log.String(), `msg="certificate taken back" name=sbc`) })
	if !shown().Equal(before) {
		t.Error("the hubs do not see the old one again")
	}
	if err := r.Teams.WaitActive(r.ctx); err != nil {
		t.Error(err)
	}
	r.wait("the alarm", func() bool { // which comes after the line in the log
		alarms, err := r.box.Exec(r.ctx, "show alarms")
		alarms = strings.Join(strings.Fields(alarms), " ")
		return err == nil && strings.Contains(alarms, "acme renew sbc") && strings.Contains(alarms, "refused the new certificate")
	})
	r.end(outA, inA)
	r.end(outB, inB)
	r.ended()
}

// TestPebbleTakesEveryChallenge has one certificate for each challenge, with every second nonce refused, an account that is bound to an
// external one, and a proxy on the way of one of them; and a name that cannot be proved.
func TestPebbleTakesEveryChallenge(t *testing.T) {
	const macKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	r := newRunning(t)
	r.patience(5 * time.Minute)
	r.configure(Setup{})
	p := startPebble(r, macKey, "PEBBLE_WFE_NONCEREJECT=50")
	proxied := proxy(t, r, netip.AddrPortFrom(StrangerAddr, 3128))
	var paste strings.Builder
	paste.WriteString(p.trust("PEBBLEROOT") + "configure\n")
	for _, challenge := range []string{"dns-persist", "http", "tls-alpn", "nowhere"} {
		name := challenge + ".meinefirma.de"
		p.dns.Set(name, BoxWAN)
		fmt.Fprintf(&paste, "profile acme %s\n  directory https://%s:14000/dir ca pki:certificate/PEBBLEWEB\n  external-account kid-1 %s\n  name %s\n", challenge, pebbleName, macKey, name)
		if challenge == "nowhere" {
			p.dns.Set(name, StrangerAddr)
			challenge = "http"
		}
		fmt.Fprintf(&paste, "  challenge %s\n", challenge)
		if challenge == "tls-alpn" {
			fmt.Fprintf(&paste, "  proxy http://%v:3128\n", StrangerAddr)
		}
	}
	if out, err := r.box.Paste(r.ctx, paste.String()+"end\n"); err != nil {
		t.Fatal(err, out)
	}
	var record string
	r.wait("the record is printed", func() bool {
		record = r.acme("dns-persist", "Record to set")
		return record != ""
	})
	name, value, _ := strings.Cut(record, ". IN TXT ")
	if name != "_validation-persist.dns-persist.meinefirma.de" || !strings.HasPrefix(value, `"pebble.example; accounturi=https://`+pebbleName+":14000/my-account/") {
		t.Fatalf("record %q", record)
	}
	for _, d := range []*DNS{r.DNS, p.dns} {
		d.SetTXT(name, strings.Trim(value, `"`))
	}
	if _, err := r.box.Exec(r.ctx, "acme renew dns-persist"); err != nil {
		t.Fatal(err)
	}
	for _, challenge := range []string{"http", "tls-alpn", "dns-persist"} {
		r.wait("a certificate by "+challenge, func() bool { return r.acme(challenge, "State") == "idle" && r.acme(challenge, "Valid until") != "-" })
	}
	if proxied() == 0 {
		t.Error("nothing came through the proxy")
	}
	out, err := r.box.Exec(r.ctx, "show pki")
	if err != nil || strings.Count(out, "Chain: 3 certificates") != 3 {
		t.Errorf("%s (%v)", out, err)
	}
	if !strings.Contains(r.acme("http", "Renewal"), "as the authority advises") {
		t.Errorf("renewal %q", r.acme("http", "Renewal"))
	}
	r.wait("the name that cannot be proved is an alarm", func() bool {
		out, err := r.box.Exec(r.ctx, "show alarms")
		return err == nil && regexp.MustCompile(`profile acme nowhere has no certificate .*nowhere\.meinefirma\.de is not taken for ours.*Port 80`).MatchString(strings.Join(strings.Fields(out), " "))
	})
	for profile, want := range map[string]string{"tls-alpn": "Challenge tls-alpn: passed", "nowhere": "FAILED: "} {
		out, err := r.box.Exec(r.ctx, "acme test "+profile)
		if (err == nil) != (profile == "tls-alpn") && !strings.Contains(out, want) || !strings.Contains(out, "Order: taken") {
			t.Errorf("acme test %s: %s (%v)", profile, out, err)
		}
	}
	config, err := r.box.Exec(r.ctx, "show running-config")
	if err != nil || strings.Contains(r.log.String(), macKey) || strings.Contains(r.log.String(), "PRIVATE") {
		t.Errorf("a secret is in the log, %v\n%s", err, config)
	}
}
