package system

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/chains"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// issuer is an authority of the tests.
type issuer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue makes a certificate that lives so many days; a nil issuer makes a root.
func (by *issuer) issue(t *testing.T, name string, key crypto.Signer, days int, ca bool) *issuer {
	t.Helper()
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<60))
	now := time.Now().Truncate(time.Second)
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true, DNSNames: []string{"hub.example"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Duration(days)*24*time.Hour - time.Hour)}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &issuer{c, key}
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// hubOf listens with a chain: leaf, intermediate, root.
func hubOf(t *testing.T, list ...*issuer) string {
	t.Helper()
	cert := tls.Certificate{PrivateKey: list[0].key}
	for _, i := range list {
		cert.Certificate = append(cert.Certificate, i.cert.Raw)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake() // the client tells of a failure
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// Real hubs with real chains: from one week to the next one moves to another root, intermediate, key and lifetime. The box refuses it, says
// whom it would have to trust, and is content when it does.
func TestAHubThatMovesToAnotherRoot(t *testing.T) {
	s, _ := announced(t)
	cfg := teamsConfig(t, s)
	p := *cfg.TLS[0]
	p.Own, p.PrivateKey, p.AuthOutgoing, p.V12, p.V13 = nil, "", true, true, true
	p.Trusted = append(p.Trusted, "pki:certificate/MINE")
	cfg.TLS[0] = &p
	cfg.CS[0].Interfaces[0].Remote.Host = "hub.example"
	s.running.Store(cfg)

	open := func() {
		s.chains = chains.Open(chains.Options{Log: s.log, Load: s.store.LoadChains, Save: s.store.SaveChains, Asked: s.asks, Changed: s.chainsChanged})
	}
	// week ends the week: what is kept of it began eight days ago.
	week := func() {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.chains.Run(ctx); err != nil {
			t.Fatal(err)
		}
		var file struct {
			Since time.Time            `json:"since"`
			Peers []status.PeerChanges `json:"peers"`
		}
		if err := s.store.LoadChains(func(text []byte) error { return json.Unmarshal(text, &file) }); err != nil || file.Since.IsZero() {
			t.Fatal(file, err)
		}
		file.Since = file.Since.Add(-8 * 24 * time.Hour)
		text, _ := json.Marshal(file)
		if err := s.store.SaveChains(text); err != nil {
			t.Fatal(err)
		}
		open()
		if err := s.chains.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}
	dial := func(address, name string) error {
		t.Helper()
		profile := s.Running().TLS[0]
		conf, err := pki.ClientConfig(profile, s, "hub.example")
		if err != nil {
			t.Fatal(err)
		}
		verify := conf.VerifyConnection
		conf.VerifyConnection = func(cs tls.ConnectionState) error { // as siptransport does
			err := verify(cs)
			s.noteChain("wan", name, cs.PeerCertificates, err)
			return err
		}
		c, err := tls.Dial("tcp", address, conf)
		if err == nil {
			c.Close()
		}
		return err
	}
	alarm := func() string {
		for _, a := range s.health.Current() {
			if a.ID == "hub-chain-changed" {
				return a.Subject + ": " + a.Sentence()
			}
		}
		return ""
	}

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	oldRoot := (*issuer)(nil).issue(t, "Old Root", ecKey(t), 4000, true)
	oldMiddle := oldRoot.issue(t, "Old CA", ecKey(t), 1000, true)
	newRoot := (*issuer)(nil).issue(t, "New Root\x1b[2J", ecKey(t), 4000, true)
	newMiddle := newRoot.issue(t, "New CA", ecKey(t), 1000, true)
	before := hubOf(t, oldMiddle.issue(t, "hub.example", rsaKey, 90, false), oldMiddle)
	after := hubOf(t, newMiddle.issue(t, "hub.example", ecKey(t), 47, false), newMiddle, newRoot)
	keep(t, s.store, oldRoot.cert)

	open()
	for range 3 {
		if err := dial(before, "HUB.example"); err != nil {
			t.Fatal(err)
		}
	}
	if err := dial(before, "elsewhere.example"); err != nil { // a name from a Record-Route
		t.Fatal(err)
	}
	got := s.PeerChains().Peers
	if len(got) != 1 || got[0].Peer != "hub.example on wan" || len(got[0].Now) != 1 || got[0].Now[0].Root != "Old Root" || len(got[0].Now[0].Links) != 2 {
		t.Fatalf("%+v", got)
	}
	week()
	if err := dial(before, "hub.example"); err != nil {
		t.Fatal(err)
	}
	if week(); alarm() != "" {
		t.Error(alarm())
	}
	sum := pki.Fingerprint(newRoot.cert)
	if err := dial(after, "hub.example"); err == nil {
		t.Fatal("an unknown root was trusted")
	}
	week()
	for _, want := range []string{
		"hub.example on wan: ", "leaf, intermediate (now New CA; before Old CA)", `root (now New Root\x1b[2J; before Old Root)`, "key type (now EC P-256; before RSA 2048)",
		"lifetime (now 47 days; before 90 days)", "enter `pki trust add " + sum + "`",
	} {
		if !strings.Contains(alarm(), want) {
			t.Errorf("no %q in %s", want, alarm())
		}
	}
	if _, err := s.store.ImportCertificate("NEW", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: newRoot.cert.Raw})); err != nil {
		t.Fatal(err)
	}
	p.Trusted = append(p.Trusted, "pki:certificate/NEW")
	if err := dial(after, "hub.example"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(alarm(), "Nothing is to be done") {
		t.Error(alarm())
	}
	if week(); alarm() != "" {
		t.Error(alarm())
	}
}
