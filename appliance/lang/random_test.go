package lang

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

// randomLine types a line by taking one of the choices that help offers, word by word: whatever is offered must be taken.
func randomLine(t *rapid.T, l *Language, b *box, s *Session) string {
	line := ""
	for len(line) < 400 {
		h := l.table.Help(l.linesOnly(b.cfg, s), line, len(line), b.cfg, nil)
		var choices []Choice
		for _, c := range h.Choices {
			if c.Word != "no" || line == "" && rapid.IntRange(0, 9).Draw(t, "no") == 0 {
				choices = append(choices, c)
			}
		}
		if len(choices) == 0 {
			return line
		}
		c := rapid.SampledFrom(choices).Draw(t, "choice")
		switch {
		case c.Word == "<cr>":
			return line
		case c.Word == "...":
			return line + "anything at all"
		case strings.HasPrefix(c.Word, "<"):
			line += cli.Quote(randomValue(t, c)) + " "
		default:
			line += c.Word + " "
		}
	}
	return line
}

// linesOnly are the layers of a session without the commands.
func (l *Language) linesOnly(cfg *config.Config, s *Session) []cli.Layer {
	modes, _ := l.layers(cfg, l.resolve(cfg, s.Mode))
	return modes
}

var numbers = regexp.MustCompile(`^(\d+) to (\d+)`)

// randomValue makes a value from what help says about it.
func randomValue(t *rapid.T, c Choice) string {
	if m := numbers.FindStringSubmatch(c.Help); m != nil {
		lo, _ := strconv.Atoi(m[1])
		hi, _ := strconv.Atoi(m[2])
		return strconv.Itoa(rapid.IntRange(lo, hi).Draw(t, "number"))
	}
	text := rapid.StringMatching(`[a-zA-Z0-9 "\\#?$.:@;äß-]{0,8}`)
	name := rapid.SampledFrom([]string{"A", "b1", "default", "Default", "ROUTER", "dest-table", "with blank", `q"uote`, `back\slash\`, "5", "no"})
	octet := rapid.IntRange(0, 255)
	switch c.Help {
	case "address":
		if octet.Draw(t, "six") > 200 {
			return fmt.Sprintf("2001:db8::%x", octet.Draw(t, "a"))
		}
		fallthrough
	case "IPv4 address":
		return fmt.Sprintf("10.0.%d.%d", octet.Draw(t, "a"), octet.Draw(t, "b"))
	case "any, microsoft-teams, an address or a network":
		return rapid.SampledFrom([]string{"any", "microsoft-teams", "10.0.0.1", "10.0.0.1/32", "10.1.0.0/16", "2001:db8::1", "2001:db8::/32"}).Draw(t, "host")
	case "address/length":
		if octet.Draw(t, "six") > 200 {
			return fmt.Sprintf("2001:db8::%x/%d", octet.Draw(t, "a"), rapid.IntRange(0, 128).Draw(t, "bits"))
		}
		fallthrough
	case "network, for example 192.0.2.0/24":
		return fmt.Sprintf("10.0.%d.%d/%d", octet.Draw(t, "a"), octet.Draw(t, "b"), rapid.IntRange(0, 32).Draw(t, "bits"))
	case "host name or address":
		return rapid.StringMatching(`[a-z0-9]{1,8}(\.[a-z]{2,5})?`).Draw(t, "host")
	case "name of the box in the DNS":
		return rapid.StringMatching(`[a-z0-9]{1,8}\.[a-z]{2,5}`).Draw(t, "domain")
	case "mail address":
		return rapid.StringMatching(`[a-z0-9]{1,8}@[a-z]{2,5}\.test`).Draw(t, "mail")
	case "URL of a proxy, such as http://192.168.1.9:3128":
		return rapid.StringMatching(`http://[a-z]{1,5}(:[1-9][0-9]{1,3})?`).Draw(t, "proxy")
	case "URL of a web server, with https":
		return rapid.StringMatching(`https://[a-z]{1,5}(:[1-9][0-9]{1,3})?(/[a-z?=&]{0,5})?`).Draw(t, "https")
	case "ID or domain of a tenant":
		return rapid.SampledFrom([]string{"contoso.onmicrosoft.com", "11111111-2222-3333-4444-555555555555"}).Draw(t, "tenant")
	case "ID such as 11111111-2222-3333-4444-555555555555":
		return "11111111-2222-3333-4444-555555555555"
	case "user principal name or mail address":
		return rapid.StringMatching(`[a-zA-Z'#]{1,5}@[a-z]{2,5}\.test`).Draw(t, "user")
	case "day such as 2027-06-30":
		return rapid.StringMatching(`20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])`).Draw(t, "day")
	case "text, not empty":
		return rapid.StringMatching(`[a-z." ]{1,8}`).Draw(t, "value")
	case "hardware address such as 00:15:65:aa:bb:cc":
		return rapid.SampledFrom([]string{"00:15:65:aa:bb:cc", "00-15-65-AA-BB-CD", "001565aabbce"}).Draw(t, "mac")
	case "maker and model, such as yealink-t46s":
		return rapid.SampledFrom([]string{"yealink-t46s", "snom-d735", "gigaset-n670"}).Draw(t, "model")
	case "number, with or without a leading +":
		return rapid.StringMatching(`\+?[0-9]{1,6}`).Draw(t, "caller")
	case "text for a display, in quotes if it has blanks":
		return rapid.StringMatching(`[a-z." ]{0,8}`).Draw(t, "shown")
	case "small letters, digits and hyphens, 32 at most":
		return rapid.StringMatching(`[a-z0-9]{1,4}(-[a-z0-9]{1,4})?`).Draw(t, "member")
	case "SHA-256 of a public key, 64 hex digits":
		return rapid.StringMatching(`[0-9a-fA-F]{64}`).Draw(t, "pin")
	case "country code, one to three digits":
		return rapid.SampledFrom([]string{"49", "1", "420"}).Draw(t, "country")
	case "cause, or its number of Q.850":
		return rapid.SampledFrom([]string{"17", "41", "127", "no-answer"}).Draw(t, "cause")
	case "digits", "number":
		return rapid.StringMatching(`[0-9]{1,6}`).Draw(t, "digits")
	case "key":
		return rapid.SampledFrom([]string{`\+49123`, "default", `(00)?49(...)?$`, "sip:(.*)", "", "49 30", `"`, "4.", "T", "08:00-17:00", "mon-fri", "24.12.2026", "restricted", "network", "192.0.2.0/24"}).Draw(t, "key")
	case "time zone such as Europe/Berlin, or an offset such as +01:00":
		return rapid.SampledFrom([]string{"Europe/Berlin", "+01:00", "UTC"}).Draw(t, "zone")
	case "public key in base64, starting with AAAA":
		return "AAAAC3NzaC1lZDI1NTE5AAAAIE1hbnkgd29ya2VkIGFuZCBub25lIHdhcyB0aXJlZCEh"
	case "Ed25519 public key in base64, 43 characters":
		return "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	}
	if strings.HasPrefix(c.Help, "letsencrypt, or the https URL") {
		return rapid.SampledFrom([]string{"letsencrypt", "https://acme.example.com/directory"}).Draw(t, "directory")
	}
	if strings.HasPrefix(c.Help, "hash of a password") {
		return rapid.SampledFrom([]string{"", "$2a$10$012345678901234567890uabcdefghijklmnopqrstuvwxyzABCDE"}).Draw(t, "hash")
	}
	if strings.HasPrefix(c.Help, "hash of a token") {
		return rapid.SampledFrom([]string{"4uH7-tQx2_bNf9Rk0sWz", `12345678"\90abcdefgh`}).Draw(t, "token")
	}
	if pki, ok := strings.CutSuffix(c.Help, "/NAME"); ok && strings.HasPrefix(pki, "pki:") {
		return pki + "/" + rapid.SampledFrom([]string{"A", "my.key", "C D"}).Draw(t, "item")
	}
	if c.Help == "text" || strings.HasPrefix(c.Help, "text,") || c.Help == "secret" {
		return text.Draw(t, "text")
	}
	return name.Draw(t, "name")
}

// What show running-config prints makes an equal configuration, whatever was configured.
func TestPrintedConfigurationReadsBack(t *testing.T) {
	l := New()
	rapid.Check(t, func(t *rapid.T) {
		b, s := newBox(), &Session{Class: config.Superuser, Mode: []string{"enable", "configure"}}
		for range rapid.IntRange(1, 40).Draw(t, "lines") {
			line := randomLine(t, l, b, s)
			var out strings.Builder
			r, err := l.Exec(t.Context(), b, s, line, nil, &out)
			if err != nil && !strings.Contains(err.Error(), "ambiguous") && !strings.Contains(err.Error(), "nodes at most") && !ofAnotherType(err) {
				t.Fatalf("help offered %q, but: %s", line, out.String())
			}
			if err == nil { // else the mode is a block that is left out
				s.Mode = r.Mode
			}
		}
		readsBack(t, l, b.cfg)
	})
}

// ofAnotherType reports whether a line was refused because its words do not fit the type of the table that it is in.
func ofAnotherType(err error) bool {
	return strings.HasPrefix(err.Error(), "key ") || strings.HasPrefix(err.Error(), "value ") || strings.Contains(err.Error(), "has entries of another type")
}

// readsBack prints, parses and compares.
func readsBack(t interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, l *Language, cfg *config.Config) {
	printed := l.Print(cfg, false)
	again, problems := l.Parse(printed)
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatalf("line %d %q: %v of\n%s", p.Line, p.Source, p, printed)
		}
	}
	same(t, cfg, again)
	if got := l.Print(again, false); string(got) != string(printed) {
		t.Errorf("printed once:\n%s\ntwice:\n%s", printed, got)
	}
}

// withoutAccounts leaves out the lines of accounts, however abbreviated: hashing their passwords would take all the time.
func withoutAccounts(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if word := strings.ToLower(strings.TrimSpace(line)); !strings.HasPrefix(word, "op") && !strings.HasPrefix(word, "ad") && !strings.HasPrefix(word, "su") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Any paste is answered, and what is left of it reads back.
func FuzzPaste(f *testing.F) {
	f.Add(string(reference(f, "starface-teams-as-printed.cfg")))
	f.Add("context cs A\nmapping-table e164 to e164 X\nmap \"a b\" to \"\\\"\nmap ? to \"\"\nno context cs A\nmap 1 to 2")
	f.Add("no no\nno\nno route\nroute d dest-table x\nexit\nend\n\"\n\\\nport ethernet 0 0\nbind interface A B\n")
	l := New()
	f.Fuzz(func(t *testing.T, text string) {
		cfg, _ := l.Parse([]byte(withoutAccounts(text)))
		l.Check(cfg, check.Env{})
		readsBack(t, l, cfg)
	})
}
