package keyring

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/internalca"
	"viaduct/appliance/pki"
	"viaduct/appliance/pki/pkitest"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// ring is a Ring over a store, with a configuration that stays as it is.
func ring(state *store.Store, cfg *config.Config, changed func()) *Ring {
	if changed == nil {
		changed = func() {}
	}
	return New(Options{
		Store: state, Running: func() *config.Config { return cfg }, Hostname: func(*config.Config) string { return "sbc01" }, Changed: changed,
		Internal: internalca.New(internalca.Options{Store: state, Log: slog.New(slog.DiscardHandler), Health: &health.Tracker{}, Clock: func() error { return nil }}),
	})
}

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
	cfg := config.New()
	s := ring(state, cfg, nil)
	profile := func(name string, own, key config.PKIName) *config.TLSProfile {
		return &config.TLSProfile{Name: name, PrivateKey: key, Own: []config.OwnCertificate{{Index: 1, Name: own}}}
	}
	cfg.TLS = []*config.TLSProfile{
		profile("a", "pki:certificate/A", "pki:private-key/a.key"),
		profile("b", "pki:certificate/B", "pki:private-key/b.key"),
		profile("shared", "pki:certificate/C", "pki:private-key/b.key"),
	}
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
	cfg.Gateways = []*config.SIPGateway{{Name: "wan", TLS: config.Ref[config.Config, config.TLSProfile]{Name: "a"}}}
	cfg.CS = []*config.Switch{{Name: "S", Interfaces: []*config.SIPInterface{{Name: "t", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "wan"},
		Trust: []config.Source{{Teams: true}}}}}}
	other, _ := pfx(t, "a.example")
	if _, err := s.ImportPKCS12("A", other, "x"); err == nil || !strings.Contains(err.Error(), "takes RSA only") {
		t.Errorf("an EC key towards Teams: %v", err)
	}
	paired("A", "a.key", a)
}

// A certificate of the internal CA goes where the profiles look for it, breaks no other, and never goes to Teams.
func TestTheInternalCAIssuesForTheLANOnly(t *testing.T) {
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg, changes := config.New(), 0
	s := ring(state, cfg, func() { changes++ })
	profile := func(name string, own, key config.PKIName) *config.TLSProfile {
		return &config.TLSProfile{Name: name, PrivateKey: key, Own: []config.OwnCertificate{{Index: 1, Name: own}}}
	}
	cfg.TLS = []*config.TLSProfile{
		profile("lan", "pki:certificate/LAN", "pki:private-key/lan.key"),
		profile("teams", "pki:certificate/T", "pki:private-key/t.key"),
		profile("shared", "pki:certificate/S", "pki:private-key/lan.key"),
	}
	cfg.ACME = []*config.ACMEProfile{{Name: "sbc", PrivateKey: "pki:private-key/mine"}}
	cfg.Gateways = []*config.SIPGateway{{Name: "wan", TLS: config.Ref[config.Config, config.TLSProfile]{Name: "teams"}}}
	cfg.CS = []*config.Switch{{Name: "S", Interfaces: []*config.SIPInterface{{Name: "t", Gateway: config.Ref[config.Config, config.SIPGateway]{Name: "wan"},
		Trust: []config.Source{{Teams: true}}}}}}
	if text, err := s.CreateInternalCA("phones", false); err != nil || !strings.Contains(text, s.InternalCA().SHA256) || s.InternalCA().SHA256 == "" {
		t.Fatal(text, err)
	}
	if changes != 1 {
		t.Errorf("a new root is told of %d times", changes)
	}
	text, err := s.IssueInternal("LAN", []string{"sbc.lan", "10.0.0.1"}, false)
	if err != nil || !strings.Contains(text, "certificate LAN: sbc.lan, 10.0.0.1, valid until") || !strings.Contains(text, "private key lan.key: RSA 2048") {
		t.Errorf("%q, %v", text, err)
	}
	first, _ := state.Certificates("LAN")
	if text, err := s.IssueInternal("LAN", nil, true); err != nil || !strings.Contains(text, "certificate LAN: sbc.lan, 10.0.0.1, valid") {
		t.Errorf("the names of the one before: %q, %v", text, err)
	}
	if second, _ := state.Certificates("LAN"); second[0].Equal(first[0]) {
		t.Error("not issued again")
	}
	for name, want := range map[string]string{"T": "profile tls teams shows pki:certificate/T to Microsoft Teams", "t.key": "profile tls teams shows pki:private-key/t.key", "S": "profile tls lan",
		"sbc": "profile acme sbc obtains", "mine": "profile acme sbc obtains"} {
		if _, err := s.IssueInternal(name, []string{"x.lan"}, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := state.Certificates("T"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a certificate that was refused is stored")
	}
	_, other := pkitest.SelfSigned(t, "other")
	if _, err := s.ImportPrivateKey(pki.InternalName, other, ""); err == nil {
		t.Error("the key of the root was overwritten by another")
	}
	if _, err := s.GenerateKey(pki.InternalName, 2048, true); err == nil {
		t.Error("the key of the root was overwritten by a new one")
	}
	foreign, _ := pkitest.SelfSigned(t, "other")
	if _, err := s.ImportCertificate(pki.InternalName, foreign); err == nil {
		t.Error("the root was overwritten by a certificate that is none")
	}
	key, err := pki.NewKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	another, err := pki.NewInternalRoot("another box", key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ImportCertificate(pki.InternalName, pki.ChainPEM([]*x509.Certificate{another})); err == nil {
		t.Error("the root was overwritten by that of another box")
	}
	own, err := s.ExportCertificate(pki.InternalName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ImportCertificate(pki.InternalName, own); err != nil {
		t.Errorf("the root itself: %v", err)
	}
	file, _ := pfx(t, "other")
	if _, err := s.ImportPKCS12(pki.InternalName, file, "x"); err == nil {
		t.Error("the root was overwritten by a file of PKCS#12")
	}
	if ca := s.InternalCA(); ca.Problem != "" {
		t.Errorf("the internal CA does not issue any more: %s", ca.Problem)
	}
	b, err := state.Backup()
	if err != nil || len(b.Keys[pki.InternalName]) == 0 || len(b.Certificates[pki.InternalName]) == 0 || len(b.Keys["lan.key"]) == 0 {
		t.Errorf("the backup lacks the internal CA: %v", err)
	}
}

func TestNamesOfTheBoxInItsLAN(t *testing.T) {
	at := func(list ...string) (i status.IPInterface) {
		for _, a := range list {
			i.Addresses = append(i.Addresses, netip.MustParsePrefix(a))
		}
		return i
	}
	all := []status.IPInterface{at("10.108.2.1/24", "fe80::1/64"), at("203.0.113.7/24"), at("fd00::1/64", "10.108.2.1/32")}
	for host, want := range map[string]string{"sbc01": "sbc01 10.108.2.1 fd00::1", "Haus 3": "10.108.2.1 fd00::1", "123": "10.108.2.1 fd00::1"} {
		if got := strings.Join(lanNames(host, all), " "); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
	if got := lanNames("sbc01", all[1:2]); len(got) > 0 {
		t.Errorf("without a private address: %v", got)
	}
}

// Making a key takes a while. Of two sessions that make one of the same name, the second does not replace what the first may have signed a
// request with.
func TestTwoSessionsGenerateOneKey(t *testing.T) {
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := ring(state, config.New(), nil)
	errs := make(chan error)
	for range 4 {
		go func() {
			_, err := s.GenerateKey("new", 2048, false)
			errs <- err
		}()
	}
	made := 0
	for range 4 {
		if err := <-errs; err == nil {
			made++
		} else if !strings.Contains(err.Error(), "add replace") {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d keys were made", made)
	}
}
