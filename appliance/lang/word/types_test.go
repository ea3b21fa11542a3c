package word

import (
	"reflect"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// What is taken is printed as a word that is taken again and means the same, and what is refused is refused with a sentence.
func TestWordsOfAForm(t *testing.T) {
	long := strings.Repeat("x", maxName+1)
	for kind, c := range map[string]struct{ good, bad []string }{
		"name":        {[]string{"PBX", "a b", "ä", long[1:]}, []string{"", long}},
		"host":        {[]string{"a.example", "192.0.2.1", "a_b", "x1"}, []string{"", "1.2.3", "256.1.1.1", "a..b", "-a", ".a", "a b", "http://a.example", "a:5060", "ä.de"}},
		"digits":      {[]string{"0", "49"}, []string{"", "+49", "4 9", strings.Repeat("1", 33)}},
		"country":     {[]string{"49", "+1", "0043"}, []string{"", "0", "1234", "x"}},
		"ipv4":        {[]string{"192.0.2.1"}, []string{"", "::1", "192.0.2", "192.0.2.1/24"}},
		"zone":        {[]string{"Europe/Berlin", "+01:00"}, []string{"Nowhere/Town"}},
		"member":      {[]string{"berlin-1"}, []string{"", "Berlin", "a_b", strings.Repeat("a", 33)}},
		"pin":         {[]string{strings.Repeat("0A", 32), strings.Repeat("0a:", 31) + "0a"}, []string{"", strings.Repeat("0", 63), strings.Repeat("g", 64)}},
		"fingerprint": {[]string{strings.Repeat("ab", 32)}, []string{"", strings.Repeat("0", 65)}},
		"certificate": {[]string{"pki:certificate/A.b"}, []string{"A", "pki:private-key/A", "pki:certificate/", "pki:certificate/../a", "pki:certificate/.a", "pki:certificate/a\\b"}},
		"ssh-key":     {[]string{"AAAAC3NzaC1lZDI1NTE5AAAAIFFERVRFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVF"}, []string{"", "AAAA", "ssh-ed25519", "AAAAB3NzaC1kc3M="}},
	} {
		form := Kinds()[kind]
		for _, w := range c.good {
			v, err := form.Parse(w, nil)
			if err != nil {
				t.Errorf("%s %q: %v", kind, w, err)
				continue
			}
			text := reflect.ValueOf(v).String()
			if form.Print != nil {
				text = form.Print(v)
			}
			if again, err := form.Parse(text, nil); err != nil || again != v {
				t.Errorf("%s %q is printed as %q, which is %v (%v)", kind, w, text, again, err)
			}
		}
		for _, w := range c.bad {
			if v, err := form.Parse(w, nil); err == nil || err.Error() == "" {
				t.Errorf("%s %q is taken for %v", kind, w, v)
			}
		}
	}
}

// A URL, or a host with a port, is a usual mistake: the error says what to write.
func TestAHostIsWrittenAlone(t *testing.T) {
	for w, want := range map[string]string{
		"https://a.example/x": "write the host alone, a.example", "a.example:5061": "write the host alone, a.example; a port, 5061,", "a.example:x": "", "a b": "", "http://": "",
	} {
		_, err := parseHost(w, nil)
		if err == nil || want == "" && strings.Contains(err.Error(), "write the host") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", w, err, want)
		}
	}
}

// Two commands that begin alike take different classes of the key store: the refusal names both, once the class is wrong, and the name else.
func TestRefusalsOfTheKeyStoreGoTogether(t *testing.T) {
	_, one := parsePKI("certificate")("x", nil)
	_, two := parsePKI("private-key")("x", nil)
	if got := one.(notOfClass).With(two).Error(); got != `"x" must be pki:certificate/NAME or pki:private-key/NAME` {
		t.Error(got)
	}
	_, name := parsePKI("private-key")("pki:private-key/.x", nil)
	for _, x := range []struct{ other, want error }{{name, name}, {nil, one}} {
		if got := one.(notOfClass).With(x.other); got.Error() != x.want.Error() {
			t.Error(got)
		}
	}
}

func TestPasswordsAndTokensAreHashedOnce(t *testing.T) {
	a := &config.Account{Password: "correct horse"}
	for range 2 {
		before := a.Password
		if err := HashPassword(nil, a); err != nil || !isHash(string(a.Password)) {
			t.Fatalf("%q, %v", a.Password, err)
		}
		if isHash(string(before)) && a.Password != before {
			t.Error("a hash is hashed")
		}
	}
	if a = (&config.Account{}); HashPassword(nil, a) != nil || a.Password != "" {
		t.Errorf("no password becomes %q", a.Password)
	}
	token := &config.WebToken{Token: "9f2b6c1d-a-token-of-twenty"}
	HashToken(nil, token)
	first := token.Token
	if HashToken(nil, token); !config.IsTokenHash(string(first)) || token.Token != first {
		t.Errorf("%q, then %q", first, token.Token)
	}
}
