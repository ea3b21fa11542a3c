package pki

import (
	"crypto"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// An internal CA is for the LAN: whatever judges a certificate for Microsoft Teams says so, even where its root is trusted.
func TestAnInternalCAIsNothingForTeams(t *testing.T) {
	now := time.Now()
	rootKey, err := NewKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	root, err := NewInternalRoot("phones", rootKey, now)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := NewInternalRoot("phones", rootKey, now); err != nil || string(again.RawSubject) == string(root.RawSubject) {
		t.Errorf("two roots of one name cannot be told apart: %v", err)
	}
	leaf, err := IssueInternal(root, rootKey, rootKey.Public(), []string{"sbc.example.com"}, now)
	if err != nil {
		t.Fatal(err)
	}
	const want = "comes from the internal CA of a box, which Microsoft Teams never accepts"
	pool := x509.NewCertPool()
	pool.AddCert(root)
	if err := Usable([]*x509.Certificate{leaf}, rootKey, Use{Names: []string{"sbc.example.com"}, Roots: pool, Now: now}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("usable: %v", err)
	}
	if list := Judge([]*x509.Certificate{leaf}, now); len(list) != 1 || !strings.Contains(list[0].Text, want) || list[0].Severity != "warning" {
		t.Errorf("judged: %v", list)
	}
	s := memory{certs: map[string][]*x509.Certificate{"own": {leaf}}, keys: map[string]crypto.Signer{"own": rootKey}}
	p := &config.TLSProfile{Name: "p", PrivateKey: "pki:private-key/own", Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/own"}}}
	if list := Check(p, s, true, now); len(list) != 1 || !strings.Contains(list[0].Text, want) || list[0].Field != "Own" {
		t.Errorf("towards Teams: %v", list)
	}
	if list := Check(p, s, false, now); len(list) > 0 {
		t.Errorf("in the LAN: %v", list)
	}
	if err := InternalRoot(root, now); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"a leaf":         InternalRoot(leaf, now),
		"a public root":  InternalRoot(BuiltIn()[0], now),
		"after its end":  InternalRoot(root, root.NotAfter.Add(time.Hour)),
		"before it came": InternalRoot(root, root.NotBefore.Add(-time.Hour)),
	} {
		if err == nil {
			t.Errorf("%s is a root of an internal CA", name)
		}
	}
	if root.NotAfter.Sub(now) < 3651*24*time.Hour || root.SignatureAlgorithm != x509.SHA256WithRSA || leaf.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("root until %v, %v, %v", root.NotAfter, root.SignatureAlgorithm, leaf.SignatureAlgorithm)
	}
	below, err := IssueInternal(leaf, rootKey, rootKey.Public(), []string{"x.lan"}, now)
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	between.AddCert(leaf)
	if _, err := below.Verify(x509.VerifyOptions{Roots: pool, Intermediates: between, CurrentTime: now}); err == nil {
		t.Error("a certificate of the CA is an authority itself")
	}
}
