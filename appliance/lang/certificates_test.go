package lang

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/status"
)

// imported is a key store.
type imported struct {
	certs map[string][]*x509.Certificate
	keys  map[string]crypto.Signer
}

func (s imported) Certificates(name string) ([]*x509.Certificate, error) {
	if c, ok := s.certs[name]; ok {
		return c, nil
	}
	return nil, fs.ErrNotExist
}

func (s imported) PrivateKey(name string) (crypto.Signer, error) {
	if k, ok := s.keys[name]; ok {
		return k, nil
	}
	return nil, fs.ErrNotExist
}

// certify makes a certificate of a key for a name, with the usages of servers (and of clients).
func certify(t *testing.T, key crypto.Signer, name string, left time.Duration, usage ...x509.ExtKeyUsage) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().AddDate(0, 0, -80), NotAfter: time.Now().Add(left), ExtKeyUsage: usage}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

// What is wrong with a certificate is said at the line that names it, before a peer ends the handshake for it (teams.md A.2, A.3, A.6).
func TestCertificatesAreJudgedAtTheirLines(t *testing.T) {
	const month = 40 * 24 * time.Hour
	good, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const server, client = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	const leaf, key = "own-certificate 1 pki:certificate/MYCERTIFICATE: ", "private-key pki:private-key/myprivate.key: "
	cfg, _ := New().Parse(reference(t, "starface-teams.cfg"))
	for why, c := range map[string]struct {
		cert *x509.Certificate
		key  crypto.Signer
		want string // "" for nothing at all
	}{
		"sound":                 {certify(t, good, "sbc.meinefirma.de", month, server, client), good, ""},
		"server usage only":     {certify(t, good, "sbc.meinefirma.de", month, server), good, "note: " + leaf + "the certificate of sbc.meinefirma.de carries the server usage only"},
		"no server usage":       {certify(t, good, "sbc.meinefirma.de", month, client), good, "warning: " + leaf + "the certificate of sbc.meinefirma.de does not carry the server usage"},
		"EC":                    {certify(t, ec, "sbc.meinefirma.de", month, server, client), ec, "warning: " + leaf + "the certificate of sbc.meinefirma.de has a key of type EC P-256: Microsoft Teams takes RSA only"},
		"another name":          {certify(t, good, "sbc.other.example", month, server, client), good, "the certificate is for sbc.other.example, not for sbc.meinefirma.de, which stands in Contact towards Teams"},
		"a wildcard":            {certify(t, good, "*.meinefirma.de", month, server, client), good, ""},
		"a wildcard of two":     {certify(t, good, "*.de", month, server, client), good, "the certificate is for *.de, not for"},
		"ends soon":             {certify(t, good, "sbc.meinefirma.de", 5*24*time.Hour+time.Hour, server, client), good, "warning: " + leaf + "own-certificate of sbc.meinefirma.de expires on " + time.Now().Add(5*24*time.Hour+time.Hour).UTC().Format(time.DateOnly) + ", in 5 days"},
		"has ended":             {certify(t, good, "sbc.meinefirma.de", -time.Minute, server, client), good, "warning: " + leaf + "own-certificate of sbc.meinefirma.de has expired"},
		"the key of another":    {certify(t, good, "sbc.meinefirma.de", month, server, client), ec, "warning: " + key + "the private key (EC P-256) does not belong"},
		"no key":                {certify(t, good, "sbc.meinefirma.de", month, server, client), nil, "warning: " + key + "pki:private-key/myprivate.key is not imported yet; fix: import pki:private-key/myprivate.key"},
		"no certificate at all": {nil, good, "warning: " + leaf + "pki:certificate/MYCERTIFICATE is not imported yet; fix: import pki:certificate/MYCERTIFICATE"},
	} {
		store := imported{map[string][]*x509.Certificate{}, map[string]crypto.Signer{}}
		if c.cert != nil {
			store.certs["MYCERTIFICATE"], store.certs["CA"] = []*x509.Certificate{c.cert}, nil
		}
		if c.key != nil {
			store.keys["myprivate.key"] = c.key
		}
		imported := check.Imported(cfg, store, "pki:certificate/MYCERTIFICATE", time.Now())
		if warned := strings.HasPrefix(c.want, "warning: ") || strings.Contains(c.want, "certificate is for"); c.cert != nil && c.key != nil && warned != (len(imported) > 0) {
			t.Errorf("%s: the import warns of %q", why, imported)
		}
		for _, text := range imported {
			if text, _, _ = strings.Cut(text, ", as the box"); !strings.Contains(c.want, text[:20]) && !strings.Contains(text, "certificate is for") {
				t.Errorf("%s: the import warns of %q", why, text)
			}
		}
		var said []string
		for _, p := range New().Check(cfg, check.Env{PKI: store, Now: time.Now()}) {
			if strings.Contains(p.Source, "own-certificate ") || strings.Contains(p.Source, "private-key ") || strings.Contains(p.Text, "certificate is for") {
				said = append(said, strings.Replace(p.String(), ": ", ": "+p.Source+": ", 1))
			}
		}
		if got := strings.Join(said, "\n"); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q, said:\n%s", why, c.want, got)
		}
	}
}

// keyed is a box with keys, some of which end, and a peer that it does not know.
type keyed struct{ *box }

func (keyed) Clock() status.Clock { return status.Clock{Now: noon} }

func (keyed) PKI() []status.Key {
	const day = 24 * time.Hour
	return []status.Key{
		{Kind: status.KeyCertificate, Name: "MYCERTIFICATE", KeyType: "RSA 2048", Subject: "sbc.meinefirma.de", Names: []string{"sbc.meinefirma.de"}, Issuer: "Some CA", NotAfter: noon.Add(10 * day), Announced: noon, Chain: 2},
		{Kind: status.KeyCertificate, Name: "SHORT", KeyType: "RSA 2048", Subject: "sbc.meinefirma.de", Issuer: "Some CA", NotAfter: noon.Add(13 * day), Announced: noon.Add(time.Second), Chain: 1},
		{Kind: status.KeyCertificate, Name: "NEWROOT", KeyType: "RSA 4096", Subject: "New Root", Issuer: "New Root", NotAfter: noon.Add(-day), Chain: 1},
		{Kind: status.KeyPrivate, Name: "myprivate.key", KeyType: "RSA 2048"},
		{Kind: status.KeyTrusted, Name: "DigiCert Global Root G2", KeyType: "RSA 2048", Subject: "DigiCert Global Root G2", Issuer: "DigiCert Global Root G2", NotAfter: noon.Add(4000 * day), Announced: noon.Add(3970 * day), Chain: 1},
	}
}

func (keyed) UnknownIssuers() []status.UnknownIssuer {
	return []status.UnknownIssuer{{SHA256: "AB12", Subject: "Another Root", Issuer: "Another Root", NotAfter: noon, Gateway: "gw", Peer: "sip.pstnhub.microsoft.com 52.114.75.24:5061", Last: noon.Add(-time.Minute)}}
}

func (keyed) Calendar() status.Calendar {
	return status.Calendar{Date: noon.Add(-24 * time.Hour), Signer: "lab", Sources: map[string]string{"K8": "CA/Browser Forum", "K5": "Let's Encrypt"},
		Mine: []status.CalendarEntry{{Date: noon.Add(240 * time.Hour), Text: "sbc.meinefirma.de ends", About: "pki:certificate/MYCERTIFICATE"}},
		Others: []status.CalendarEntry{{Date: noon.Add(-time.Hour), Text: "what was", Sources: []string{"K5"}},
			{Date: noon.Add(time.Hour), Text: "what will be, in a sentence that does not fit into one line of the screen", Sources: []string{"K5", "K8"}}}}
}

func (keyed) PeerChains() status.PeerChains {
	link := status.ChainLink{Subject: "sip.pstnhub.microsoft.com", Issuer: "New CA", KeyType: "RSA 2048", NotAfter: noon, SHA256: "11"}
	return status.PeerChains{Next: noon, Peers: []status.PeerChanges{{Peer: "sip.pstnhub.microsoft.com on gw", Change: "leaf", Changed: noon,
		Now:    []status.ShownChain{{Links: []status.ChainLink{link}, Root: "New Root", Refused: "not trusted", Issuer: "AB12", First: noon, Last: noon}},
		Before: []status.ShownChain{{Links: []status.ChainLink{link}, Root: "Old Root"}}}}}
}

func (keyed) InternalCA() status.InternalCA {
	const day = 24 * time.Hour
	return status.InternalCA{Subject: "Phones", KeyType: "RSA 2048", SHA256: "AB12", NotBefore: noon.Add(-day), NotAfter: noon.Add(300 * day), PEM: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
		Issued: []status.InternalCertificate{
			{Name: "lan", Key: "lan.key", Names: []string{"sbc.lan", "10.0.0.1"}, NotAfter: noon.Add(200 * day), Renewal: noon.Add(100 * day)},
			{Name: "last", Key: "last", Names: []string{"sbc.lan"}, NotAfter: noon.Add(300 * day)},
			{Name: "other", NotAfter: noon.Add(day), Problem: "its key is not in this box"},
		}}
}

func (keyed) ImportCalendar(block []byte) (string, error) {
	if !strings.Contains(string(block), "good") {
		return "", errors.New("the signature does not fit")
	}
	return "in force", nil
}

func TestACalendarIsPasted(t *testing.T) {
	l, b := New(), keyed{newBox()}
	run := func(body []byte) (Result, string) {
		var out strings.Builder
		r, _ := l.Exec(t.Context(), b, &Session{Class: config.Administrator, Mode: []string{"enable"}}, "import calendar", body, &out)
		return r, out.String()
	}
	if r, _ := run(nil); r.Collect == nil || r.Collect.Kind != "block" {
		t.Errorf("%+v", r.Collect)
	}
	if _, text := run([]byte("good")); text != "in force\n" {
		t.Error(text)
	}
	if _, text := run([]byte("bad")); text != "% import calendar: the signature does not fit; nothing changed\n" {
		t.Error(text)
	}
}

func TestWhatIsShownOfKeysAndTrust(t *testing.T) {
	l, b := New(), keyed{newBox()}
	b.cfg, _ = l.Parse([]byte("profile tls pf\nown-certificate 1 pki:certificate/MYCERTIFICATE\nprivate-key pki:private-key/myprivate.key\ntrusted-certificate pki:certificate/NEWROOT\n"))
	root := `pki:certificate/NEWROOT
  Key: RSA 4096
  Subject: New Root
  Issuer: New Root
  Valid until: 2026-11-21 12:00:00 UTC (EXPIRED)
  Used by: profile tls pf
`
	for line, want := range map[string]string{
		"show pki": `pki:certificate/MYCERTIFICATE
  Key: RSA 2048
  Subject: sbc.meinefirma.de
  Names: sbc.meinefirma.de
  Issuer: Some CA
  Valid until: 2026-12-02 12:00:00 UTC (in 10 days)
  Chain: 2 certificates
  Used by: profile tls pf
pki:certificate/SHORT
  Key: RSA 2048
  Subject: sbc.meinefirma.de
  Issuer: Some CA
  Valid until: 2026-12-05 12:00:00 UTC
  Used by: -
` + root + `pki:private-key/myprivate.key
  Key: RSA 2048
  Used by: profile tls pf
`,
		"show pki calendar": `Calendar of 2026-11-21, imported, signed by lab

Concerns this box
  2026-12-02  pki:certificate/MYCERTIFICATE: sbc.meinefirma.de ends

To come
  2026-11-22  what will be, in a sentence that does not fit into one line of the
              screen [K5, K8]

Past
  2026-11-22  what was [K5]

Sources
  K5: Let's Encrypt
  K8: CA/Browser Forum
`,
		"show pki peers": `Weeks are compared next on 2026-11-22 12:00:00 UTC
sip.pstnhub.microsoft.com on gw
  Changed: leaf
  Last change: found on 2026-11-22 12:00:00 UTC
  This week, from 2026-11-22 12:00:00 UTC to 2026-11-22 12:00:00 UTC
  Chain 0: sip.pstnhub.microsoft.com (RSA 2048), until 2026-11-22, issued by New
           CA
    SHA-256: 11
  Root: New Root
  Refused: not trusted
  To trust it: pki trust add AB12
  Week before: sip.pstnhub.microsoft.com (RSA 2048), until 2026-11-22, root Old
               Root
`,
		"show pki internal-ca": `Internal CA: Phones
  Key: RSA 2048
  Valid: from 2026-11-21 12:00:00 until 2027-09-18 12:00:00 UTC
  SHA-256: AB12
pki:certificate/lan
  Names: sbc.lan, 10.0.0.1
  Key: pki:private-key/lan.key
  Valid until: 2027-06-10 12:00:00 UTC
  Renewed: 2027-03-02
pki:certificate/last
  Names: sbc.lan
  Key: pki:private-key/last
  Valid until: 2027-09-18 12:00:00 UTC
  Not renewed: it ends with the root
pki:certificate/other
  Names: -
  Valid until: 2026-11-23 12:00:00 UTC
  Not renewed: its key is not in this box
-----BEGIN CERTIFICATE-----
AA==
-----END CERTIFICATE-----
`,
		"show pki trusted": root + `built-in root DigiCert Global Root G2
  Key: RSA 2048
  Subject: DigiCert Global Root G2
  Issuer: DigiCert Global Root G2
  Valid until: 2037-11-04 12:00:00 UTC
not trusted: Another Root
  Issuer: Another Root
  Valid until: 2026-11-22 12:00:00 UTC
  SHA-256: AB12
  Shown by: sip.pstnhub.microsoft.com 52.114.75.24:5061 on gw, last 2026-11-22
            11:59:00 UTC
  To trust it: pki trust add AB12
`,
	} {
		var out strings.Builder
		if _, err := l.Exec(t.Context(), b, &Session{Class: config.Administrator, Mode: []string{"enable"}}, line, nil, &out); err != nil || out.String() != want {
			t.Errorf("%s (%v):\n%s\nwant\n%s", line, err, out.String(), want)
		}
	}
}

// trusting is a box that notes what it was told to trust.
type trusting struct {
	keyed
	trusted *[]string
}

func (b trusting) UnknownIssuers() []status.UnknownIssuer {
	u := b.keyed.UnknownIssuers()
	u[0].SHA256 = strings.Repeat("AB", 32)
	u[0].Chain = []status.ChainLink{{Subject: "sip.pstnhub.microsoft.com", Issuer: "Another Root", KeyType: "RSA 2048", NotAfter: noon, SHA256: "11"},
		{Subject: "Another Root", Issuer: "Another Root", KeyType: "RSA 4096", NotAfter: noon, SHA256: u[0].SHA256}}
	return u
}

func (b trusting) TrustIssuer(sum string, _ status.Author) (string, error) {
	*b.trusted = append(*b.trusted, sum)
	return "trusted", nil
}

// Nobody trusts an issuer without having seen whom: the chain comes before the question, and only the answer trusts.
func TestTrustComesAfterAQuestion(t *testing.T) {
	l := New()
	b := trusting{keyed{newBox()}, &[]string{}}
	sum := strings.Repeat("AB", 32)
	run := func(line string, yes bool) (Result, string, error) {
		var out strings.Builder
		r, err := l.Exec(t.Context(), b, &Session{Class: config.Administrator, Mode: []string{"enable"}, Yes: yes}, line, nil, &out)
		return r, out.String(), err
	}
	r, text, err := run("pki trust add "+strings.ToLower(sum), false)
	if err != nil || r.Collect == nil || r.Collect.Kind != "confirm" || !strings.Contains(r.Collect.Prompt, sum) || len(*b.trusted) > 0 {
		t.Fatalf("%+v, %v, trusted %v", r.Collect, err, *b.trusted)
	}
	for _, want := range []string{"not trusted: Another Root", "Chain 0: sip.pstnhub.microsoft.com (RSA 2048), until 2026-11-22, issued by\n           Another Root\n    SHA-256: 11\n", "Chain 1: Another Root (RSA 4096)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if r, text, err := run("pki trust add "+sum, true); err != nil || r.Collect != nil || text != "trusted\n" || len(*b.trusted) != 1 {
		t.Errorf("after yes: %v, %q, %v", err, text, *b.trusted)
	}
	if _, _, err := run("pki trust "+sum+" force", false); err != nil || len(*b.trusted) != 2 {
		t.Errorf("force: %v, %v", err, *b.trusted)
	}
	if r, text, err := run("pki trust add "+strings.Repeat("CD", 32), false); err == nil || r.Collect != nil || !strings.Contains(text, "no peer has shown") || len(*b.trusted) != 2 {
		t.Errorf("one that was never seen: %v, %q, %v", err, text, *b.trusted)
	}
}

// stored is a box that keeps what is imported.
type stored struct {
	*box
	names []string
}

func (b *stored) ImportCertificate(name string, _ []byte) (string, error) {
	b.names = append(b.names, name)
	return "certificate " + name, nil
}

func (b *stored) ImportPrivateKey(name string, _ []byte, _ string) (string, error) {
	b.names = append(b.names, name)
	return "private key " + name, nil
}

// A key that Teams cannot use is refused where it would be shown to Teams, and is welcome elsewhere (teams.md A.3).
func TestAnECKeyIsNotImportedForTeams(t *testing.T) {
	l := New()
	b := &stored{box: newBox()}
	b.cfg, _ = l.Parse(reference(t, "starface-teams.cfg"))
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		key   crypto.Signer
		taken bool
	}{
		{"private-key/myprivate.key", ec, false},
		{"private-key/myprivate.key", small, true},
		{"private-key/another.key", ec, true},
		{"certificate/MYCERTIFICATE", ec, false},
		{"certificate/MYCERTIFICATE", small, true},
		{"certificate/CA", ec, true}, // an issuer may have any key
	} {
		var text []byte
		if strings.HasPrefix(c.what, "certificate") {
			text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certify(t, c.key, "sbc.meinefirma.de", time.Hour).Raw})
		} else {
			der, err := x509.MarshalPKCS8PrivateKey(c.key)
			if err != nil {
				t.Fatal(err)
			}
			text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		}
		b.names = nil
		var out strings.Builder
		l.Exec(t.Context(), b, &Session{Class: config.Superuser, Mode: []string{"enable"}}, "import pki:"+c.what, text, &out)
		refused := strings.Contains(out.String(), "of type EC P-256: Microsoft Teams takes RSA only") && strings.Contains(out.String(), "nothing stored")
		if taken := len(b.names) == 1; taken != c.taken || refused == c.taken {
			t.Errorf("%s: stored %v, says %q", c.what, b.names, out.String())
		}
	}
}

// storing is a box with two certificates, which can be erased.
type storing struct {
	*box
	erased int
}

func (*storing) PKI() []status.Key {
	return []status.Key{{Kind: status.KeyCertificate, Name: "MINE"}, {Kind: status.KeyCertificate, Name: "SPARE"}}
}
func (e *storing) DeletePKI(status.KeyKind, string) error { e.erased++; return nil }

func TestWhatIsInUseIsErasedAfterAQuestion(t *testing.T) {
	l := New()
	b := &storing{box: boxWith(t, l, "profile tls PF\n own-certificate 1 pki:certificate/MINE\nprofile acme MINE\n name sbc.example.com\n")}
	for _, c := range []struct {
		line  string
		yes   bool
		asked string
	}{
		{"erase pki:certificate/MINE", false, "pki:certificate/MINE is in use: profile tls PF, profile acme MINE. Erase it? [yes/no] "},
		{"erase pki:certificate/MINE", true, ""},
		{"erase pki:certificate/MINE force", false, ""},
		{"erase pki:certificate/SPARE", false, ""},
	} {
		before := b.erased
		r, err := l.Exec(t.Context(), b, &Session{Mode: []string{"enable"}, Class: config.Administrator, Yes: c.yes}, c.line, nil, io.Discard)
		switch asked := r.Collect; {
		case err != nil:
			t.Errorf("%s: %v", c.line, err)
		case c.asked == "" && (asked != nil || b.erased != before+1):
			t.Errorf("%s: %+v, erased %d", c.line, asked, b.erased)
		case c.asked != "" && (asked == nil || asked.Prompt != c.asked || b.erased != before):
			t.Errorf("%s: %+v, erased %d", c.line, asked, b.erased)
		}
	}
}
