package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/lang/check"
)

// typed pastes lines into a context cs and returns what was said, and what was configured.
func typed(t *testing.T, lines ...string) (said, running string) {
	t.Helper()
	l := New()
	c := configuringConsole(l)
	var out strings.Builder
	out.WriteString(c.types(append([]string{"context cs SWITCH", "no shutdown", "interface sip IF_A", "exit"}, lines...)...))
	return out.String(), string(l.Print(c.box.cfg, false))
}

func TestKeysThatCanNeverMatchAreRefusedAtTheLine(t *testing.T) {
	for _, x := range []struct{ header, line, want string }{
		{"routing-table day-of-week DAYS", "route mo-fr dest-interface IF_A", "key mo-fr: is not a day such as mon or monday"},
		{"routing-table day-of-week DAYS", "route weekdays dest-interface IF_A", "key weekdays: is not a day"},
		{"routing-table time HOURS", "route 08.00-17.00 dest-interface IF_A", "is not a time such as 08:00"},
		{"routing-table time HOURS", "route 0800-1700 dest-interface IF_A", "is not a time such as 08:00"},
		{"routing-table date FEAST", "route 24.12. dest-interface IF_A", "is not a date such as 24.12.2026"},
		{"routing-table date FEAST", "route 24.12.2026-1.1.2027 dest-interface IF_A", "is not a date such as 24.12.2026"},
		{"routing-table date FEAST", "route 2026-12-24 dest-interface IF_A", "is not a date such as 24.12.2026"},
		{"routing-table calling-pi PI", "route national dest-interface IF_A", "is no calling-pi: allowed, restricted, interworking"},
		{"routing-table calling-si SI", "route verified dest-interface IF_A", "is no calling-si: user-not-screened"},
		{"routing-table calling-ip IP", "route pbx.example.com dest-interface IF_A", "is no address such as 192.0.2.7"},
		{"routing-table calling-ip IP", "route 192.0.2.0/255.255.255.0 dest-interface IF_A", "no network such as 192.0.2.0/24"},
		{"routing-table called-e164 RT", "route DEFAULT dest-interface IF_A", "is written default"},
		{"mapping-table calling-pi to calling-e164 M", "map hidden to 1", "is no calling-pi: allowed"},
		{"mapping-table calling-e164 to calling-pi M", "map 1 to hidden", "is no calling-pi: allowed"},
		{"mapping-table calling-e164 to calling-ip M", "map 1 to pbx", "is no address"},
		{"mapping-table called-e164 to called-e164 M", "map 1 to " + strings.Repeat("1", 65), "called-e164 has at most 64 characters"},
		{"mapping-table called-e164 to called-e164 M", "map Default to 1", "is written default"},
	} {
		said, running := typed(t, x.header, x.line)
		if !strings.Contains(said, x.want) || !strings.Contains(said, "^\n") {
			t.Errorf("%s / %s: said\n%s\nwant %q and a mark", x.header, x.line, said, x.want)
		}
		if strings.Contains(running, x.line) {
			t.Errorf("%s was taken", x.line)
		}
	}
}

func TestTypedKeysAreTakenAndPrintedBack(t *testing.T) {
	for _, x := range []struct{ header, line string }{
		{"routing-table day-of-week DAYS", "route mon-fri dest-interface IF_A"},
		{"routing-table time HOURS", "route 8:00-17:00 dest-interface IF_A"},
		{"routing-table date FEAST", "route 24.12.2026-06.01.2027 dest-interface IF_A"},
		{"routing-table calling-ip IP", "route 192.0.2.0/24 dest-interface IF_A"},
		{"routing-table calling-pi PI", "route restricted dest-interface IF_A"},
		{"routing-table calling-si SI", "route network dest-interface IF_A"},
		{"routing-table called-e164 RT", "route T dest-interface IF_A"},
		{"mapping-table called-e164 to called-e164 M", "map default to 4930000"},
		{"mapping-table called-e164 to called-e164 M", `map "default" to 4930000`},
		{"mapping-table calling-pi to calling-e164 M", `map restricted to ""`},
	} {
		said, running := typed(t, x.header, x.line)
		if strings.Contains(said, "%") || !strings.Contains(running, x.line+"\n") {
			t.Errorf("%s / %s: said %q, running-config\n%s", x.header, x.line, said, running)
		}
		again, problems := New().Parse([]byte(running))
		if len(problems) > 0 || string(New().Print(again, false)) != running {
			t.Errorf("%s does not read back: %v", x.line, problems)
		}
	}
}

func TestATableThatChangesItsTypeIsRefusedWhenItsKeysDoNotFit(t *testing.T) {
	said, running := typed(t, "routing-table time HOURS", "route 08:00-17:00 dest-interface IF_A", "exit", "routing-table date HOURS")
	if !strings.Contains(said, "routing-table HOURS has entries of another type: key 08:00-17:00: is not a date") || !strings.Contains(running, "routing-table time HOURS") {
		t.Errorf("said %s\n%s", said, running)
	}
	if said, running := typed(t, "routing-table called-e164 RT", "route 12 dest-interface IF_A", "exit", "routing-table calling-e164 RT"); strings.Contains(said, "%") || !strings.Contains(running, "routing-table calling-e164 RT") {
		t.Errorf("said %s\n%s", said, running)
	}
}

// What dial plans of other boxes look like is named, with the key that says the same here.
func TestHabitsOfOtherDialPlansAreNamed(t *testing.T) {
	for _, x := range []struct{ header, line, want string }{
		{"called-e164", "0XXX", "fix: no route 0XXX; fix: route 0... dest-interface IF_A"},
		{"called-e164", "_NXX.", "fix: no route _NXX.; fix: route [2-9].. dest-interface IF_A"},
		{"called-e164", "0Z", "fix: no route 0Z; fix: route 0[1-9] dest-interface IF_A"},
		{"called-e164", "*", "fix: no route *; fix: route default dest-interface IF_A"},
		{"called-e164", "any", "fix: no route any; fix: route default dest-interface IF_A"},
		{"called-e164", "0T$", "fix: no route 0T$; fix: route 0$ dest-interface IF_A"},
		{"called-e164", "030-123", "fix: no route 030-123; fix: route 030123 dest-interface IF_A"},
		{"called-uri", "user@host", "fix: no route user@host; fix: route sip:user@host dest-interface IF_A"},
		{"called-e164", "[2-9]xx", "fix: no route [2-9]xx; fix: route [2-9].. dest-interface IF_A"},
		{"called-uri", "<sip:anna@h>", "fix: route sip:anna@h dest-interface IF_A"}, {"called-uri", "SIP:anna", "fix: route sip:anna dest-interface IF_A"},
		{"called-e164", "[2-9]..$", ""}, {"called-e164", "user.01", ""}, {"called-e164", "*21", ""}, {"called-e164", "#31#", ""}, {"called-e164", `(00|\+)49[1-9].+`, ""},
		{"called-e164", "T", ""}, {"called-e164", "0T", ""}, {"called-e164", ".T", ""}, {"called-e164", "reception", ""},
		{"called-uri", "sip:user@", ""}, {"called-uri", ".*@host", ""}, {"called-uri", "(sip|tel):1", ""}, {"called-name", "any", ""}, {"calling-uri", "tel:+49", ""},
	} {
		text := "context cs SWITCH\n no shutdown\n interface sip IF_A\n routing-table " + x.header + " RT\n  route " + x.line + " dest-interface IF_A\n"
		var got string
		for _, p := range New().CheckFile("f", []byte(text), check.Env{}) {
			if p.Line == 5 {
				got += p.String() + "\n"
			}
		}
		if x.want == "" && got != "" || !strings.Contains(got, x.want) {
			t.Errorf("route %s in a table of %s: said %q, want %q", x.line, x.header, got, x.want)
		}
	}
}

// A word with a form is refused where it has another one, though it might pass for text.
func TestWordsThatCannotBeWhatTheyStandFor(t *testing.T) {
	for line, want := range map[string]string{
		"country-code 0":                       "is not a country code",
		"country-code 4930":                    "is not a country code",
		"country-code 030":                     "is not a country code",
		"interface sip X|remote 192.168.1.300": "is not an address",
		"interface sip X|remote 192.168.1":     "is not an address",
		"interface sip X|local 10.0.0.1.5":     "is not an address",
	} {
		if said, _ := typed(t, strings.Split(line, "|")...); !strings.Contains(said, want) {
			t.Errorf("%s: said %q, want %q", line, said, want)
		}
	}
	for line, want := range map[string]string{
		"country-code +49":                                  "country-code 49",
		"country-code 0049":                                 "country-code 49",
		"interface sip X|remote 4.pool.ntp.org":             "remote 4.pool.ntp.org",
		"interface sip X|remote 123":                        "remote 123",
		"interface sip X|remote sip.pstnhub.microsoft.com.": "remote sip.pstnhub.microsoft.com.",
	} {
		if said, running := typed(t, strings.Split(line, "|")...); strings.Contains(said, "%") || !strings.Contains(running, want+"\n") {
			t.Errorf("%s: said %q, running-config\n%s", line, said, running)
		}
	}
}
