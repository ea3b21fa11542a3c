package calendar

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/pki"
)

// The roots in the calendar are those that the firmware trusts, and end when they do.
func TestTheBuiltInCalendarFitsTheBuiltInRoots(t *testing.T) {
	c, err := Parse(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	if BuiltIn().Date != c.Date || c.Date.Before(time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("it is of %s", c.Date)
	}
	for _, r := range slices.Concat(pki.BuiltIn(), pki.Public()) {
		if e, ok := c.End(r); !ok || e.Date.String() != r.NotAfter.UTC().Format(time.DateOnly) || e.Subject != r.Subject.CommonName {
			t.Errorf("%s ends on %v: %+v", r.Subject.CommonName, r.NotAfter, e)
		}
	}
	e, missing := c.Missing(pki.BuiltIn())
	if len(missing) > 0 || len(e.Roots) != len(pki.BuiltIn()) {
		t.Errorf("missing %v of %d", missing, len(e.Roots))
	}
	if _, missing := c.Missing(pki.BuiltIn()[1:]); len(missing) != 1 || missing[0] != pki.BuiltIn()[0].Subject.CommonName {
		t.Errorf("missing %v", missing)
	}
	for s := range c.Sources {
		if !slices.ContainsFunc(c.Entries, func(e Entry) bool { return slices.Contains(e.Sources, s) }) {
			t.Errorf("source %s has no entry", s)
		}
	}
}

const small = `{"format": 1, "date": "2027-01-31", "sources": {"S": "a source"}, "authorities": [{"name": "A", "organizations": ["A Inc"]}],
"entries": [{"date": "2027-03-15", "kind": "lifetime", "days": 100, "text": "at most 100 days", "sources": ["S"]}]}`

func TestACalendarThatIsNotUnderstoodIsRefused(t *testing.T) {
	if _, err := Parse([]byte(small)); err != nil {
		t.Fatal(err)
	}
	for why, change := range map[string][2]string{
		"format 2":                    {`"format": 1`, `"format": 2`},
		"no date":                     {`"date": "2027-01-31", `, ``},
		"no day":                      {`2027-01-31`, `2027-02-30`},
		"a field that is not known":   {`"days": 100`, `"days": 100, "hours": 3`},
		"a kind that is not known":    {`lifetime`, `apocalypse`},
		"no days":                     {`"days": 100, `, ``},
		"days below nothing":          {`"days": 100`, `"days": -1`},
		"a source that is not listed": {`["S"]`, `["T"]`},
		"no source":                   {`["S"]`, `[]`},
		"no text":                     {`at most 100 days`, ``},
		"an authority of nobody":      {`"days": 100`, `"days": 100, "authority": "B"`},
		"an escape sequence":          {`at most`, `\u001b[2J`},
		"a line end":                  {`a source`, `a\nreload`},
		"a very long text":            {`at most`, strings.Repeat("x", 300)},
		"half a root":                 {`"kind": "lifetime", "days": 100`, `"kind": "root-end", "root": "AB", "subject": "X"`},
		"no root":                     {`"kind": "lifetime", "days": 100`, `"kind": "trust", "roots": []`},
		"a second one behind it":      {`]}` + "", `]} {}`},
		"another order":               {`"sources": ["S"]}]`, `"sources": ["S"]}, {"date": "2027-03-14", "kind": "notice", "text": "x", "sources": ["S"]}]`},
		"nothing":                     {small, ""},
	} {
		text := strings.Replace(small, change[0], change[1], 1)
		if why == "a second one behind it" {
			text = small + "{}"
		}
		if _, err := Parse([]byte(text)); err == nil || text == small {
			t.Errorf("%s: taken", why)
		}
	}
	if _, err := Parse(append([]byte(small), bytes.Repeat([]byte(" "), maxSize)...)); err == nil {
		t.Error("a large one was taken")
	}
}

func signer(t testing.TB) (ed25519.PrivateKey, Signer) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return private, Signer{"lab", public}
}

func TestOnlyASignedCalendarIsRead(t *testing.T) {
	private, lab := signer(t)
	_, other := signer(t)
	block, err := Sign(private, []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if c, by, err := Open(block, []Signer{{"broken", []byte("x")}, other, lab}); err != nil || by != "lab" || c.Date.String() != "2027-01-31" {
		t.Fatalf("%v, %q, %v", c, by, err)
	}
	p, _ := pem.Decode(block)
	again := func(change func(b []byte) []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: change(bytes.Clone(p.Bytes))})
	}
	for why, b := range map[string][]byte{
		"the text alone":      []byte(small),
		"without a signature": again(func(b []byte) []byte { return b[ed25519.SignatureSize:] }),
		"the signature alone": again(func(b []byte) []byte { return b[:ed25519.SignatureSize] }),
		"cut":                 block[:len(block)/2],
		"another type":        bytes.ReplaceAll(block, []byte("CALENDAR"), []byte("BACKUP")),
		"two of them":         append(bytes.Clone(block), block...),
		"signed without the prefix": again(func(b []byte) []byte {
			return append(ed25519.Sign(private, []byte(small)), small...)
		}),
		"nothing": nil,
	} {
		if _, _, err := Open(b, []Signer{lab}); err == nil {
			t.Errorf("%s: taken", why)
		}
	}
	for at := range p.Bytes {
		if _, _, err := Open(again(func(b []byte) []byte { b[at] ^= 1; return b }), []Signer{lab}); err == nil {
			t.Errorf("octet %d changed: taken", at)
		}
	}
	if _, _, err := Open(block, []Signer{other}); err == nil {
		t.Error("the signature of somebody else was taken")
	}
	if _, err := Sign(private, []byte("{}")); err == nil {
		t.Error("half a calendar was signed")
	}
}

func TestWhatASuccessorWillBe(t *testing.T) {
	const days = 24 * time.Hour
	date := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for why, c := range map[string]struct {
		issuer, root string
		public       bool
		life         int
		end          string
		client       bool
		want         string
	}{
		"a year of DigiCert":                  {"DigiCert Inc", "DigiCert Global Root G2", false, 398, "2027-01-15", false, "will live at most 200 days"},
		"it ends after the next limit":        {"DigiCert Inc", "DigiCert Global Root G2", false, 199, "2027-04-01", false, "will live at most 100 days"},
		"it ends before the next limit":       {"DigiCert Inc", "DigiCert Global Root G2", false, 199, "2027-03-14", false, ""},
		"years later":                         {"DigiCert Inc", "DigiCert Global Root G2", false, 99, "2029-04-01", false, "will live at most 47 days"},
		"the client usage ends":               {"DigiCert Inc", "DigiCert Global Root G2", false, 90, "2027-03-10", true, "will not carry the client usage"},
		"and does not yet":                    {"DigiCert Inc", "DigiCert Global Root G2", false, 90, "2027-02-28", true, ""},
		"at Sectigo it does":                  {"Sectigo Limited", "Sectigo Public Server Authentication Root R46", false, 90, "2027-02-28", true, "will not carry the client usage"},
		"both":                                {"DigiCert Inc", "DigiCert Global Root G2", false, 199, "2027-04-01", true, "will live at most 100 days; will not carry the client usage"},
		"Let's Encrypt has limits of its own": {"Let's Encrypt", "ISRG Root X1", false, 90, "2027-02-20", false, "will live at most 64 days"},
		"which nobody else has":               {"GoDaddy.com, Inc.", "Go Daddy Root Certificate Authority - G2", false, 90, "2027-02-20", false, ""},
		"an authority of the house":           {"Lab", "Lab Root", false, 1000, "2027-04-01", true, ""},
		"which Teams would not take":          {"Lab", "Lab Root", true, 1000, "2027-04-01", false, "will live at most 100 days"},
		"a root near its end":                 {"GlobalSign nv-sa", "GlobalSign Root CA", false, 90, "2027-01-10", false, `must come from another root, because "GlobalSign Root CA" ends on 2028-01-28`},
		"a name that two roots have":          {"GlobalSign", "GlobalSign", false, 90, "2027-01-10", false, ""},
	} {
		end := date(c.end)
		leaf := &x509.Certificate{Issuer: pkix.Name{Organization: []string{c.issuer}, CommonName: c.root}, NotBefore: end.Add(-time.Duration(c.life) * days), NotAfter: end}
		if c.client {
			leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		}
		var got []string
		for _, n := range BuiltIn().Successor([]*x509.Certificate{leaf}, c.public) {
			got = append(got, n.Means)
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q", why, strings.Join(got, "; "), c.want)
		}
	}
	if BuiltIn().Successor(nil, true) != nil {
		t.Error("no certificate has a successor")
	}
}

func FuzzOpen(f *testing.F) {
	private, lab := signer(f)
	block, err := Sign(private, []byte(small))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block, []byte(small))
	f.Add([]byte(small), builtIn)
	f.Fuzz(func(t *testing.T, block, text []byte) {
		if c, _, err := Open(block, []Signer{lab}); err == nil && c.Date.String() != "2027-01-31" {
			t.Errorf("taken: %q", block)
		}
		if c, err := Parse(text); err == nil {
			c.Successor([]*x509.Certificate{{NotAfter: time.Now()}}, true)
			c.Missing(nil)
		}
	})
}
