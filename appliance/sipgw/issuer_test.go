package sipgw

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
)

// A peer whose authority is not trusted is named, with what would have to be trusted, whichever side began (teams.md A.5).
func TestUnknownIssuersAreReported(t *testing.T) {
	var l net.Listener
	foreign := newAuthority(t)
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	type report struct {
		gateway, peer string
		e             *pki.UnknownIssuer
	}
	reports := make(chan report, 10)
	b.s.opts.OnUnknownIssuer = func(gateway, peer string, e *pki.UnknownIssuer) { reports <- report{gateway, peer, e} }
	shown := make(chan error, 10)
	b.s.opts.OnChain = func(gateway, peer string, chain []*x509.Certificate, refused error) {
		if gateway != "gw" || peer != "sip.example" || len(chain) != 2 {
			t.Errorf("%s %s shows %d certificates", gateway, peer, len(chain))
		}
		shown <- refused
	}
	cert := foreign.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	cert.Certificate = append(cert.Certificate, foreign.cert.Raw)
	check := func(peer string) {
		t.Helper()
		select {
		case r := <-reports:
			if r.gateway != "gw" || !strings.HasPrefix(r.peer, peer) || r.e.Subject != "sip.example" || !r.e.Root || r.e.SHA256 != pki.Fingerprint(foreign.cert) {
				t.Errorf("%s %s %v", r.gateway, r.peer, r.e)
			}
		case <-time.After(patience):
			t.Error("not reported")
		}
	}
	secureServer(t, l, cert, func() { b.invite(nil) }).r.ReadByte()
	if e := want[Failed](t, b.call); e.Code != 503 || !strings.Contains(e.Err.Error(), pki.Fingerprint(foreign.cert)) {
		t.Errorf("%+v", e)
	}
	check("sip.example 127.0.0.2:")
	var refused *pki.UnknownIssuer
	if err := <-shown; !errors.As(err, &refused) {
		t.Errorf("shown, and refused with %v", err)
	}

	p := b.connect("127.0.0.2", b.secure)
	c := tls.Client(p.c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
	c.Write([]byte("x"))
	c.Read(make([]byte, 1))
	check("127.0.0.2:")
}

// The intermediates go with our certificate, to peers that dial and to peers that we dial (A.4).
func TestTheWholeChainIsShown(t *testing.T) {
	var l net.Listener
	b := newBox(t, true, func(c *config.Config, i *config.SIPInterface) { l = remote(t, c); i.Remote.Host = "sip.example" })
	middle := &authority{}
	middle.cert, middle.key = issue(t, b.root, "intermediate", nil, true)
	mine, key := issue(t, middle, "sbc.example", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, false)
	store := b.s.opts.PKI.(keys)
	store.certs["MINE"], store.keys["mine"] = []*x509.Certificate{mine, middle.cert}, key
	if err := b.apply(); err != nil {
		t.Fatal(err)
	}
	cert := b.root.pair(t, "sip.example", x509.ExtKeyUsageServerAuth)
	chain := func(who string, cs tls.ConnectionState) {
		t.Helper()
		if len(cs.PeerCertificates) != 2 || !cs.PeerCertificates[0].Equal(mine) || !cs.PeerCertificates[1].Equal(middle.cert) {
			t.Errorf("%s: %d certificates", who, len(cs.PeerCertificates))
		}
	}
	dialled := secureServer(t, l, cert, func() { b.invite(nil) })
	dialled.want("INVITE ")
	chain("a peer that we dial", dialled.c.(*tls.Conn).ConnectionState())

	p := b.connect("127.0.0.2", b.secure)
	c := tls.Client(p.c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	chain("a peer that dials us", c.ConnectionState())
}
