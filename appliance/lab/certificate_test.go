package lab

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"
)

// boxCertificate is what the box shows a hub that connects now.
func (r *running) boxCertificate() tls.ConnectionState {
	r.t.Helper()
	state, err := r.handshake()
	if err != nil {
		r.t.Fatal(err)
	}
	return state
}

func (r *running) handshake() (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(r.ctx, hangs)
	defer cancel()
	raw, err := r.WAN.Dial(ctx, "tcp4", r.Teams.Hubs[0].site.addr.String(), netip.AddrPortFrom(BoxWAN, r.options.SBCPort).String())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer raw.Close()
	c := tls.Client(raw, r.Teams.dial)
	err = c.HandshakeContext(ctx)
	return c.ConnectionState(), err
}

// Microsoft moves to another root. The log says which one, with a command that can be pasted as it stands, and after it both
// directions work again.
func TestAnIssuerOfTeamsIsTrustedByThePastedCommand(t *testing.T) {
	r := newRunning(t)
	r.tolerates = []string{"tls: "} // the handshakes that the box ends
	r.start(Setup{})
	if _, err := r.box.ExecIn(r.ctx, []string{"enable", "configure", "profile tls pf_tls_default"}, "no trusted-certificate pki:certificate/TEAMSROOT"); err != nil {
		t.Fatal(err)
	}
	pasteable := regexp.MustCompile(`pki trust add [0-9A-F]{64}`)
	r.wait("the log names the issuer", func() bool { return pasteable.MatchString(r.log.String()) })
	command := pasteable.FindString(r.log.String())
	problems, err := r.box.Exec(r.ctx, "show config problems")
	if err != nil || !strings.Contains(problems, command) || !strings.Contains(strings.Join(strings.Fields(problems), " "), "Lab Root For Teams") {
		t.Errorf("%s (%v)", problems, err)
	}
	trusted, err := r.box.Exec(r.ctx, "show pki trusted")
	if err != nil || !strings.Contains(trusted, "To trust it: "+command) || !strings.Contains(trusted, "built-in root Microsoft RSA Root Certificate Authority 2017") {
		t.Errorf("%s (%v)", trusted, err)
	}
	if out, err := r.box.Paste(r.ctx, "enable\n"+command+" force\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.wait("the hubs are reached again", func() bool {
		out, err := r.box.Exec(r.ctx, "show sip penalty-box")
		return err == nil && strings.Count(out, "200") >= len(r.Teams.Hubs) && !strings.Contains(out, "trusted")
	})
	out, in := r.fromTeams(Dial{})
	r.end(in, out)
	out, in = r.fromPBX(Ring{})
	r.end(out, in)
	r.ended()
}

// A certificate that is imported is shown at once, and connections that know the old one are closed (A.10).
func TestAnImportedCertificateIsUsedAtOnce(t *testing.T) {
	r := runBox(t, Setup{})
	connection := func() (f *flow) {
		_ = r.Teams.do(func() { f = r.Teams.Hubs[0].out })
		return f
	}
	before := connection()
	if before == nil {
		t.Fatal("the hub has no connection to the box")
	}
	next, err := r.PKI.IssueBox(r.PKI.Box.PrivateKey.(crypto.Signer), SBCName)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := r.box.Paste(r.ctx, "enable\nimport pki:certificate/MYCERTIFICATE\n"+string(CertificatePEM(next.Certificate[0]))+"\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.wait("the new certificate is shown, with its chain", func() bool {
		shown := r.boxCertificate().PeerCertificates
		return len(shown) == 2 && shown[0].Equal(next.Leaf)
	})
	r.wait("the hub's old connection is closed", func() bool { return connection() != before })
	out, in := r.fromTeams(Dial{})
	r.end(out, in)
	r.ended()
}

// TestANewKeyComesAfterItsCertificate, as docs/operation.md says of renewals: a key alone does not part the pair that is in use.
func TestANewKeyComesAfterItsCertificate(t *testing.T) {
	r := runBox(t, Setup{})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	next, err := r.PKI.IssueBox(key, SBCName)
	if err != nil {
		t.Fatal(err)
	}
	text, err := KeyPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	importKey := "import pki:private-key/myprivate.key\n" + string(text) + "\n"
	importCertificate := "import pki:certificate/MYCERTIFICATE\n" + string(CertificatePEM(next.Certificate[0])) + "\n"
	if out, _ := r.box.Paste(r.ctx, "enable\n"+importKey); !strings.Contains(out, "import the certificate that belongs to it first") {
		t.Fatalf("the key alone: %s", out)
	}
	if r.boxCertificate().PeerCertificates[0].Equal(next.Leaf) {
		t.Fatal("the pair in use was parted")
	}
	if out, err := r.box.Paste(r.ctx, "enable\n"+importCertificate+importKey); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.wait("the new certificate is shown", func() bool {
		state, err := r.handshake() // none is made while the key is still the old one
		return err == nil && state.PeerCertificates[0].Equal(next.Leaf)
	})
}

// A box that starts with a certificate that ends soon says so.
func TestACertificateThatEndsSoonIsAnnounced(t *testing.T) {
	r := runBox(t, Setup{})
	now := time.Now() // half a year after any day is another number of days: the end is told in days
	short, err := r.PKI.boxIssuer.issueUntil(r.PKI.Box.PrivateKey.(crypto.Signer), now.AddDate(0, 0, -180), now.AddDate(0, 0, 5), x509.ExtKeyUsageServerAuth, SBCName)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := r.box.Paste(r.ctx, "enable\nimport pki:certificate/MYCERTIFICATE\n"+string(CertificatePEM(short.Certificate[0]))+"\ncopy running-config startup-config\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := r.box.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := r.box.Start(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.wait("the log tells of it", func() bool {
		return regexp.MustCompile(`alarm=certificate-expires .*MYCERTIFICATE expires soon: sbc\.meinefirma\.de ends on .* in 7 days or less`).MatchString(r.log.String())
	})
}
