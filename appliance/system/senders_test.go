package system

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/names"
	"viaduct/appliance/pki"
	"viaduct/appliance/store"
)

// The certificate for Microsoft Entra comes with its key, which stays, replaces nothing unasked, and is what the box signs in with.
func TestTheCertificateOfAPresenceService(t *testing.T) {
	state, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &System{store: state, log: slog.New(slog.DiscardHandler), snapshots: snapshots{changed: make(chan struct{}, 1)}, engines: engines{platform: platform{resolver: names.New(func() []netip.AddrPort { return nil })}}}
	defer s.resolver.Close()
	s.Ring = s.newKeyring()
	cfg := config.New()
	cfg.Hostname = "sbc01"
	service := &config.PresenceService{Name: "TEAMS", Tenant: "contoso.com", Application: "11111111-2222-3333-4444-555555555555", Certificate: "pki:certificate/TEAMS"}
	service.SetDefaults()
	cfg.Presence = []*config.PresenceService{service}
	cfg.TLS = []*config.TLSProfile{{Name: "t", PrivateKey: "pki:private-key/used", Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/used"}}}}
	s.running.Store(cfg)
	if _, _, err := s.dialGraph(service); err == nil || !strings.Contains(err.Error(), "pki:certificate/TEAMS cannot be used") {
		t.Errorf("without a certificate: %v", err)
	}
	text, pem, err := s.GeneratePresenceCertificate("TEAMS", 3072, 2, false)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pki.ParseCertificates(pem)
	if err != nil || bytes.Contains(pem, []byte("PRIVATE")) {
		t.Fatalf("%v\n%s", err, pem)
	}
	key, err := state.PrivateKey("TEAMS")
	if err != nil || pki.Belongs(list[0], key) != nil || pki.KeyType(key.Public()) != "RSA 3072" {
		t.Errorf("%v, %s", err, pki.KeyType(key.Public()))
	}
	if left := time.Until(list[0].NotAfter); left < 729*24*time.Hour || left > 732*24*time.Hour || list[0].NotBefore.After(time.Now()) {
		t.Errorf("from %v to %v", list[0].NotBefore, list[0].NotAfter)
	}
	_, credentials, err := s.dialGraph(service)
	if err != nil || !credentials.Certificate.Equal(list[0]) || credentials.Key == nil || credentials.Secret != "" {
		t.Errorf("it signs in with %+v, %v", credentials, err)
	}
	for _, want := range []string{"thumbprint " + credentials.Thumbprint(), "https://login.microsoftonline.com/contoso.com/adminconsent?client_id=11111111-2222-3333-4444-555555555555"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said:\n%s", want, text)
		}
	}
	for _, name := range []string{"TEAMS", "used", pki.InternalName} {
		if _, _, err := s.GeneratePresenceCertificate(name, 2048, 2, name == "used"); err == nil {
			t.Errorf("%s is replaced", name)
		}
	}
	if _, _, err := s.GeneratePresenceCertificate("TEAMS", 2048, 1, true); err != nil {
		t.Error(err)
	}
	if again, _ := state.Certificates("TEAMS"); again[0].Equal(list[0]) {
		t.Error("replace replaces nothing")
	}
	for _, x := range []struct {
		change func(*config.PresenceService)
		want   string
	}{
		{func(p *config.PresenceService) { p.Cloud = config.CloudChina }, "China"},
		{func(p *config.PresenceService) { p.Tenant = "" }, "it lacks"},
		{func(p *config.PresenceService) { p.Certificate = "" }, "it lacks"},
		{func(p *config.PresenceService) { p.Certificate, p.Secret.Value = "", check.SealedPrefix+"x" }, "sealed by another box"},
		{func(p *config.PresenceService) { p.Proxy.Password = check.SealedPrefix + "x" }, "sealed by another box"},
		{func(p *config.PresenceService) { p.Proxy.CA = "pki:certificate/NONE" }, "pki:certificate/NONE"},
	} {
		p := *service
		x.change(&p)
		if way, _, err := s.dialGraph(&p); err == nil || way != nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
