package system

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"viaduct/appliance/config"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/store"
)

// pfx is a file of PKCS#12 with a fresh key under the pass phrase x.
func pfx(t *testing.T, name string) (der []byte, leaf *x509.Certificate) {
	t.Helper()
	certText, keyText := pkitest.SelfSigned(t, name)
	chain, err := pki.ParseCertificates(certText)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.ParsePrivateKey(keyText, "")
	if err != nil {
		t.Fatal(err)
	}
	der, err = pkcs12.Modern2023.Encode(key, chain[0], nil, "x")
	if err != nil {
		t.Fatal(err)
	}
	return der, chain[0]
}

// A file of PKCS#12 goes where the profiles look for its parts, whole or not at all, and breaks no other profile.
func TestPKCS12GoesWhereProfilesLook(t *testing.T) {
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &System{store: state, log: slog.New(slog.NewTextHandler(&log, nil)), snapshots: snapshots{changed: make(chan struct{}, 1)}}
	cfg := config.New()
	profile := func(name string, own, key config.PKIName) *config.TLSProfile {
		return &config.TLSProfile{Name: name, PrivateKey: key, Own: []config.OwnCertificate{{Index: 1, Name: own}}}
	}
	cfg.TLS = []*config.TLSProfile{
		profile("a", "pki:certificate/A", "pki:private-key/a.key"),
		profile("b", "pki:certificate/B", "pki:private-key/b.key"),
		profile("shared", "pki:certificate/C", "pki:private-key/b.key"),
	}
	s.running.Store(cfg)
	paired := func(certificate, key string, leaf *x509.Certificate) {
		t.Helper()
		chain, err := state.Certificates(certificate)
		if err != nil || !chain[0].Equal(leaf) {
			t.Fatalf("certificate %s: %v", certificate, err)
		}
		if k, err := state.PrivateKey(key); err != nil || pki.Belongs(leaf, k) != nil {
			t.Errorf("private key %s: %v", key, err)
		}
	}
	fileA, a := pfx(t, "a.example")
	for _, pass := range []string{"", "y"} {
		if _, err := s.ImportPKCS12("A", fileA, pass); pass == "" && !errors.Is(err, pki.ErrEncrypted) || pass != "" && !errors.Is(err, pki.ErrPassphrase) || len(state.Keys()) > 0 {
			t.Errorf("%q: %v, %v", pass, err, state.Keys())
		}
	}
	text, err := s.ImportPKCS12("A", fileA, "x")
	if err != nil || !strings.Contains(text, "certificate A: a.example") || !strings.Contains(text, "private key a.key: EC P-256") {
		t.Errorf("%q, %v", text, err)
	}
	paired("A", "a.key", a)
	fileNew, fresh := pfx(t, "new.example")
	if _, err := s.ImportPKCS12("NEW", fileNew, "x"); err != nil {
		t.Fatal(err)
	}
	paired("NEW", "NEW", fresh)
	fileB, b := pfx(t, "b.example")
	if _, err := s.ImportPKCS12("B", fileB, "x"); err != nil {
		t.Fatal(err)
	}
	paired("B", "b.key", b)
	// Profile b has its pair; the key of C would take it away.
	fileC, _ := pfx(t, "c.example")
	if _, err := s.ImportPKCS12("C", fileC, "x"); err == nil || !strings.Contains(err.Error(), "profile tls b") {
		t.Errorf("a key that another profile uses: %v", err)
	}
	paired("B", "b.key", b)
	if _, err := state.Certificates("C"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the certificate alone was stored: %v", err)
	}
	// Towards Teams an EC key is refused, as a paste of one is.
	cfg = s.Running() // each import has published a new one
	cfg.Gateways = []*config.SIPGateway{{Name: "wan", TLS: config.Ref[config.Config, config.TLSProfile]{Name: "a"}}}
	cfg.CS = []*config.Switch{{Name: "S", Interfaces: []*config.SIPInterface{{Name: "t", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "wan"},
		Trust: []config.Source{{Teams: true}}}}}}
	other, _ := pfx(t, "a.example")
	if _, err := s.ImportPKCS12("A", other, "x"); err == nil || !strings.Contains(err.Error(), "takes RSA only") {
		t.Errorf("an EC key towards Teams: %v", err)
	}
	paired("A", "a.key", a)
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("a key is in the log")
	}
}
