package wizard_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/wizard"
)

var update = flag.Bool("update", false, "write the golden files")

var language = lang.New()

// notes are those that every configuration of the set-up earns. They are for information, and there is nothing to do about them.
var notes = []string{
	"no trusted-certificate: the built-in roots of Microsoft and DigiCert are used",
	"the timeout ends with the first response, even 100 Trying; a ringing phone is not interrupted",
}

// refused returns what a box says against a configuration.
func refused(text string) (list []string) {
	for _, p := range language.CheckFile("setup", []byte(text), check.Env{}) {
		if p.Severity != check.Note || !slices.Contains(notes, p.Text) {
			list = append(list, p.String())
		}
	}
	return list
}

// guide is the configuration that integrators paste.
func guide(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// printed is a configuration as the box prints it.
func printed(t testing.TB, text string) string {
	t.Helper()
	cfg, problems := language.Parse([]byte(text))
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatalf("%v\n%s", p, text)
		}
	}
	return string(language.Print(cfg, false))
}

// Ten situations, from what is typed to all that comes of it. Each file says at its top what it is about.
func TestSituations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) != 10 {
		t.Fatalf("there are %d situations, not ten (%v)", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			file, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{Comment: file.Comment}
			a, running := wizard.Defaults(), ""
			for _, f := range file.Files {
				switch f.Name {
				case "running":
					running = printed(t, string(f.Data))
					a = wizard.Read(running)
				case "answers":
					if err := json.Unmarshal(f.Data, &a); err != nil {
						t.Fatal(err)
					}
				case "users":
					table := wizard.Paste(string(f.Data), a.Numbers)
					a.Users = wizard.Add(a.Users, table.Users)
					got.Files = append(got.Files, f)
					got.Files = append(got.Files, txtar.File{Name: "table", Data: []byte(said(table))})
					continue
				default:
					continue // made below
				}
				got.Files = append(got.Files, f)
			}
			add := func(name, text string) {
				got.Files = append(got.Files, txtar.File{Name: name, Data: []byte(text)})
			}
			problems := wizard.Check(a)
			add("problems", strings.Join(problemLines(problems), ""))
			if len(problems) == 0 {
				text := wizard.Configuration(a, false)
				if list := refused(text); len(list) > 0 {
					t.Errorf("a box would say:\n%s", strings.Join(list, "\n"))
				}
				add("configuration", text)
				add("tenant", wizard.Tenant(a))
				add("others", others(a))
				if running != "" {
					var lost strings.Builder
					for _, l := range wizard.Uncarried(running, a) {
						fmt.Fprintln(&lost, strings.Join(append(l.Path, l.Text), " / "))
					}
					add("uncarried", lost.String())
				}
			}
			text := txtar.Format(got)
			if *update {
				if err := os.WriteFile(name, text, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(file)), string(text)); diff != "" {
				t.Errorf("(-file +now, go test -update writes it):\n%s", diff)
			}
		})
	}
}

func problemLines(problems []wizard.Problem) (lines []string) {
	for _, p := range problems {
		lines = append(lines, fmt.Sprintf("%s: %s %q\n", p.Field, p.Fault, p.Args))
	}
	return lines
}

// said is a table of users as people see it.
func said(t wizard.Table) string {
	var b strings.Builder
	for _, u := range t.Users {
		fmt.Fprintf(&b, "%s %s %q %s\n", u.Number, u.Account, u.Password, u.SignIn)
	}
	b.WriteString(strings.Join(problemLines(t.Problems), ""))
	if len(t.Left) > 0 {
		fmt.Fprintf(&b, "left: %q\n", t.Left)
	}
	if len(t.Repeated) > 0 {
		fmt.Fprintf(&b, "repeated: %v\n", t.Repeated)
	}
	if len(t.Ignored) > 0 {
		fmt.Fprintf(&b, "ignored: %q\n", t.Ignored)
	}
	return b.String()
}

func others(a wizard.Answers) string {
	var b strings.Builder
	for _, r := range wizard.Records(a) {
		fmt.Fprintf(&b, "record public=%t %s %s %q %s\n", r.Public, r.Name, r.Type, r.Value, r.Why)
	}
	for _, r := range wizard.Rules(a) {
		fmt.Fprintf(&b, "rule in=%t %s %s %v %s\n", r.In, r.Protocol, r.Port, r.Peers, r.Why)
	}
	return b.String()
}

// anything are answers as people may type them: most fit, and of so many one is anything at all.
func anything(t *rapid.T, odds int) wizard.Answers {
	odd := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9 .:/"\\#$@;-]{0,12}`))
	one := func(name string, fit ...string) string {
		if odds > 0 && rapid.IntRange(1, odds).Draw(t, name+" is odd") == odds {
			return odd.Draw(t, name)
		}
		return rapid.SampledFrom(fit).Draw(t, name)
	}
	a := wizard.Answers{
		Box: wizard.Box{Name: one("name", "sbc01", "a", "SBC-Wand"), FQDN: one("fqdn", "sbc.meinefirma.de", "SBC.example.com.", "a.b.c.example"), Zone: one("zone", "Europe/Berlin", "UTC", "+01:00")},
		Network: wizard.Network{LAN: one("lan", "192.168.1.1/24", "192.168.0.1/16", "192.168.1.1 255.255.255.0"),
			DHCP: rapid.Bool().Draw(t, "dhcp"), WAN: one("wan", "123.123.123.123/28", "123.123.123.122/28"), Gateway: one("gateway", "123.123.123.113"),
			Public: one("public", "", "8.9.10.11"), DNS: one("dns", "192.168.1.53", "9.9.9.9, 1.1.1.1"), NTP: one("ntp", "pool.ntp.org", "ntp.example.com 192.168.1.9")},
		PBX: wizard.PBX{Name: one("pbx", "", "starface.meinefirma.de", "pbx"), Address: one("address", "192.168.1.100", "192.168.1.101", "10.5.5.5"), Port: one("port", "", "5070", "5060"), Transport: one("transport", wizard.Transports...), Router: one("router", "192.168.1.254")},
		Numbers: wizard.Numbers{Country: one("country", "49", "1", "+43"), National: one("national", "0", "", "1"), International: one("international", "00", "011"),
			Emergency: one("emergency", "", "110 112", "911"), Called: one("called", wizard.Forms...), Extension: one("extension", "", "0", "2", "3", "5"), Main: one("main", "", "+4971234567890")},
		Teams: wizard.Teams{Cloud: one("cloud", wizard.World, wizard.World, wizard.GCCHigh, wizard.DoD), Port: one("tls", "5061", "5061", "5062"), Sessions: one("sessions", "24")},
		Certificate: wizard.Certificate{From: one("from", wizard.Imported, wizard.ACME), Challenge: one("challenge", wizard.Challenges...), Contact: one("contact", "", "it@meinefirma.de"),
			Name: one("certificate", "teams", "MYCERTIFICATE"), Key: one("key", "", "myprivate.key")},
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "users") {
		u := wizard.User{Number: one("number", fmt.Sprintf("+49712322%d", i), fmt.Sprintf("+49 (0)7123/22%d", i)), Account: one("account", fmt.Sprintf("user.0%d", i), fmt.Sprintf("20%d", i), "default", "password", "a+b"),
			Password: one("password", "geheim", `p"w`, `back\`, `"quoted"`, "with blank", "#hash", "no", "password"), SignIn: one("sign-in", "", "anna@meinefirma.de", "O’Brien'; Remove-Item *")}
		a.Users = append(a.Users, u)
	}
	if a.Teams.Cloud != wizard.World && odds == 0 {
		a.Teams.Port = "5061"
	}
	return a
}

// Whatever is answered, there are problems, or a configuration that the box accepts without a refusal or a problem, with every user in it,
// and from which the answers can be read back.
func TestAnswersAreProblemsOrAConfigurationThatTheBoxAccepts(t *testing.T) {
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		a := anything(t, 60)
		if problems := wizard.Check(a); len(problems) > 0 {
			for _, p := range problems {
				if n, known := wizard.Faults[p.Fault]; !known || n != len(p.Args) || !slices.Contains(wizard.Steps, p.Step()) {
					t.Fatalf("problem %q of nobody's", p)
				}
			}
			return
		}
		made++
		text := wizard.Configuration(a, false)
		if list := refused(text); len(list) > 0 {
			t.Fatalf("a box would say:\n%s\nof:\n%s", strings.Join(list, "\n"), text)
		}
		cfg, _ := language.Parse([]byte(text))
		running := string(language.Print(cfg, false))
		if again := wizard.Configuration(wizard.Read(running), false); canonical(again) != running {
			t.Fatalf("read back (-first +again):\n%s", cmp.Diff(running, canonical(again)))
		}
		if lost := wizard.Uncarried(running, a); len(lost) > 0 {
			t.Fatalf("not carried: %v", lost)
		}
		if gone, come := wizard.Difference(running, wizard.Read(running), a, false); len(gone)+len(come) > 0 {
			t.Fatalf("the same answers make a difference: %v go, %v come", gone, come)
		}
	})
	if made < 5 {
		t.Errorf("only %d answers fitted: the test says little", made)
	}
}

func canonical(text string) string {
	cfg, _ := language.Parse([]byte(text))
	return string(language.Print(cfg, false))
}

// extras are what a box has besides: nobody may lose it by a visit to the set-up.
const extras = `
banner "Authorised access only"
administrator anna password $2a$10$7EqJtq98hPqEX7fNZaFWoOHi4jM1yFYQ1r0R5U1l9G0xgkWb5Z9mW encrypted
syslog-client
  remote 192.168.1.9
profile tls LAN
  private-key pki:private-key/lan
  own-certificate 1 pki:certificate/lan
`

// One visit follows another: what the first made and the second does not goes, everything else stays.
func TestASecondVisitChangesWhatTheFirstMade(t *testing.T) {
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		first, second := anything(t, 0), anything(t, 0)
		if len(wizard.Check(first)) > 0 || len(wizard.Check(second)) > 0 {
			return
		}
		made++
		running := canonical(extras + wizard.Configuration(first, false))
		want := canonical(extras + wizard.Configuration(second, false))
		base, _ := language.Parse([]byte(running))
		for name, lines := range map[string]string{"merged": wizard.Merged(running, wizard.Read(running), second), "replaced": wizard.Replaced(running, second)} {
			cfg, _, problems := language.ParseOnto(base, []byte(lines))
			for _, p := range problems {
				if p.Severity != check.Note {
					t.Fatalf("%s: %v\n%s", name, p, lines)
				}
			}
			if diff := cmp.Diff(sorted(want), sorted(string(language.Print(cfg, false)))); diff != "" {
				t.Fatalf("%s (-want +got):\n%s\nlines:\n%s", name, diff, lines)
			}
		}
	})
	if made < 5 {
		t.Errorf("only %d pairs fitted: the test says little", made)
	}
}

// sorted brings blocks and lines into an order, because an object that was removed and made again stands at the end of its kind.
func sorted(text string) []string {
	var list []string
	var path []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if depth > len(path) || strings.TrimSpace(line) == "" {
			continue
		}
		path = append(path[:depth:depth], strings.TrimSpace(line))
		list = append(list, strings.Join(path, " / "))
	}
	slices.Sort(list)
	return list
}

// What integrators have pasted so far is found again.
func TestTheGuideIsReadBack(t *testing.T) {
	got := wizard.Read(printed(t, guide(t)))
	want := wizard.Defaults()
	want.Box.FQDN = "sbc.meinefirma.de"
	want.Network = wizard.Network{LAN: "192.168.1.1/24", WAN: "123.123.123.123/28", Gateway: "123.123.123.113", DNS: "192.168.1.53", NTP: "ntp.meinefirma.de"}
	want.PBX.Name, want.PBX.Address = "starface.meinefirma.de", "192.168.1.100"
	want.Numbers.Extension, want.Numbers.Main = "3", "+4971234567890"
	want.Certificate.Name, want.Certificate.Key = "MYCERTIFICATE", "myprivate.key"
	for i := range 3 {
		want.Users = append(want.Users, wizard.User{Number: fmt.Sprintf("+49712322%d", i+2), Account: fmt.Sprintf("user.0%d", i+1), Password: fmt.Sprintf("meingeheimessippasswort0%d", i+1)})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if problems := wizard.Check(got); len(problems) > 0 {
		t.Errorf("the answers of the guide have problems: %v", problems)
	}
}

func FuzzPaste(f *testing.F) {
	for _, text := range []string{"+497123222\tuser.01\tgeheim\n", "Nummer;Konto;Passwort\n07123 222;user.01;\"a;\"\"b\"\n", "+49 7123 222 user.01 geheim\n", "a,b,c\n,,\n", "\ufeffUPN\tPhone\tUser\tSecret\n"} {
		f.Add(text)
	}
	n := wizard.Defaults().Numbers
	f.Fuzz(func(t *testing.T, text string) {
		table := wizard.Paste(text, n)
		lines := 0
		for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(text, "\ufeff")), "\n") {
			if strings.TrimSpace(line) != "" {
				lines++
			}
		}
		kept := len(table.Users) + len(table.Problems) + len(table.Repeated)
		if len(text) <= wizard.MaxTable && kept != lines && kept != lines-1 { // a line may be headings
			t.Errorf("%d lines, %d users, %d problems, %d repeated", lines, len(table.Users), len(table.Problems), len(table.Repeated))
		}
		a := fitting()
		a.Users = table.Users
		if problems := wizard.Check(a); len(table.Users) > 0 && len(problems) > 0 {
			t.Fatalf("the users of a table have problems: %v", problems)
		}
		if list := refused(wizard.Configuration(a, false)); len(list) > 0 {
			t.Fatalf("a box would say %v of %q", list, table.Users)
		}
	})
}

// fitting are answers without a problem.
func fitting() wizard.Answers {
	a := wizard.Defaults()
	a.Box.FQDN = "sbc.meinefirma.de"
	a.Network = wizard.Network{LAN: "192.168.1.1/24", WAN: "123.123.123.123/28", Gateway: "123.123.123.113", DNS: "192.168.1.53", NTP: "ntp.meinefirma.de"}
	a.PBX.Address = "192.168.1.100"
	return a
}

func FuzzAnswers(f *testing.F) {
	a := fitting()
	a.Users = []wizard.User{{Number: "+497123222", Account: "user.01", Password: "geheim", SignIn: "anna@meinefirma.de"}}
	seed, err := json.Marshal(a)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, text []byte) {
		a := fitting()
		if json.Unmarshal(text, &a) != nil || len(wizard.Check(a)) > 0 {
			return
		}
		if list := refused(wizard.Configuration(a, false)); len(list) > 0 {
			t.Fatalf("a box would say %v of %+v", list, a)
		}
		wizard.Tenant(a)
	})
}

func FuzzRead(f *testing.F) {
	f.Add(guide(f))
	f.Fuzz(func(t *testing.T, text string) {
		a := wizard.Read(text)
		if len(wizard.Check(a)) == 0 {
			if list := refused(wizard.Configuration(a, false)); len(list) > 0 {
				t.Fatalf("a box would say %v", list)
			}
		}
	})
}

// Names of users go into PowerShell as text alone, whatever they are.
func TestPowerShellTakesNamesForTextAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := fitting()
		name := rapid.StringMatching("[a-z'‘’‚‛\"$`(){};|& @#.-]{1,20}").Draw(t, "name")
		a.Users = []wizard.User{{Number: "+497123222", Account: "user.01", Password: "geheim", SignIn: name}}
		if len(wizard.Check(a)) > 0 {
			t.Fatal("a printable name is refused")
		}
		for line := range strings.Lines(wizard.Tenant(a)) {
			rest, ok := strings.CutPrefix(line, "Set-CsPhoneNumberAssignment -Identity ")
			if !ok {
				continue
			}
			text, tail := literal(rest)
			if text != name || tail != " -PhoneNumber '+497123222' -PhoneNumberType DirectRouting\n" {
				t.Fatalf("PowerShell would read %q, and then %q", text, tail)
			}
			return
		}
		t.Fatal("no line for the user")
	})
}

// literal reads a text in single quotes as PowerShell does: each of five characters is a quote, and two of them in a row are one.
func literal(line string) (text, rest string) {
	const quotes = "'‘’‚‛"
	runes := []rune(line)
	if len(runes) == 0 || !strings.ContainsRune(quotes, runes[0]) {
		return "", line
	}
	for i := 1; i < len(runes); i++ {
		if strings.ContainsRune(quotes, runes[i]) {
			if i+1 == len(runes) || !strings.ContainsRune(quotes, runes[i+1]) {
				return text, string(runes[i+1:])
			}
			i++
		}
		text += string(runes[i])
	}
	return text, ""
}

// A line of a configuration refuses more characters than those that cannot be printed: what was lost in a conversion, and variation selectors.
func TestPasswordsHaveWhatALineTakes(t *testing.T) {
	for password, fits := range map[string]bool{"geheim": true, "Grüße “a” – b": true, "a\ufffdb": false, "a\ufe0fb": false, "a\xffb": false, "a\u200bb": false, "a\tb": false, "a\u00a0b": false} {
		list := wizard.Check(wizard.Answers{Users: []wizard.User{{Number: "+497123222", Account: "user.01", Password: password}}})
		refused := slices.ContainsFunc(list, func(p wizard.Problem) bool { return p.Fault == "password-sign" })
		if refused == fits {
			t.Errorf("password %q: %v", password, list)
		}
	}
}

// Teams takes SRTP and TLS alone: the profiles of the PBX would not work with it.
func TestThePBXIsNotTeams(t *testing.T) {
	for host, of := range map[string]bool{"sip.pstnhub.microsoft.com": true, "SIP2.pstnhub.Microsoft.com": true, "52.114.75.24": true, "microsoft.example": false, "10.5.5.5": false} {
		a := fitting()
		field := "pbx.name"
		if a.PBX.Name = host; net.ParseIP(host) != nil {
			field, a.PBX.Name, a.PBX.Address, a.PBX.Router = "pbx.address", "", host, "192.168.1.254"
		}
		refused := slices.ContainsFunc(wizard.Check(a), func(p wizard.Problem) bool { return p.Field == field && p.Fault == "teams" })
		if refused != of {
			t.Errorf("%s: %v", host, wizard.Check(a))
		}
	}
}
