package lang

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

func TestFilters(t *testing.T) {
	c := configuringConsole(New())
	c.types("context cs SWITCH", "mapping-table e164 to e164 MT", "map (1|2) to 3", "map 4 to 5", "exit", "interface sip IF_A", "no call-transfer accept")
	for _, x := range []struct{ line, want string }{
		{"show running-config | include MAP ", "mapping-table e164 to e164 MT\n    map (1|2) to 3\n    map 4 to 5"},
		{"sh run | i map | exc table", "map (1|2) to 3\n    map 4 to 5"},
		{"show running-config | include \"map 4\"", "map 4 to 5"},
		{"show running-config | include map 4", "map 4 to 5"},
		{"show running-config |include (1|2)", "map (1|2) to 3"},
		{"show running-config | include map | count", "3 lines"},
		{"show running-config | count map 4", "1 line"},
		{"show running-config | count", " lines"},
		{"show running-config | begin map 4", "map 4 to 5\n\n  interface sip IF_A"},
		{"show running-config | include nothing of it", ""},
		{"show config problems | include warning: | exclude interface sip", ": no call will be routed"},
		{"show running-config | grep map", `% no filter "grep": include TEXT, exclude TEXT, begin TEXT or count`},
		{"show running-config |", `% no filter "": include TEXT`},
		{"show running-config | include", "% incomplete: expected a text after include"},
		{"show nonsense | include x", "unknown word \"nonsense\", expected "},
		{"banner a | include b", "nothing may follow here"},
		{`banner "a | include b"`, ""},
	} {
		got := strings.TrimSpace(c.types(x.line))
		if !strings.Contains(got, x.want) || x.want == "" && got != "" {
			t.Errorf("%s:\n%s\nwant\n%s", x.line, got, x.want)
		}
	}
	if c.box.cfg.Banner != "a | include b" {
		t.Errorf("a text lost its mark: %q", c.box.cfg.Banner)
	}
}

func TestHelpOfFilters(t *testing.T) {
	c := newConsole(New())
	c.box.Box = helpBox{}
	for _, x := range []struct{ line, words, insert string }{
		{"show version ", "| <cr>", ""},
		{"show version | ", "include exclude begin count", ""},
		{"show version | inc", "include", "lude "},
		{"show version |", "include exclude begin count", ""},
	} {
		h := c.lang.Help(c.box, &c.s, x.line, len(x.line))
		if got := wordsOf(h); got != x.words || h.Insert != x.insert {
			t.Errorf("%q: %q, inserts %q", x.line, got, h.Insert)
		}
	}
	if h := c.lang.Help(c.box, &c.s, "show version | include a", 24); !h.Text {
		t.Error("a text is taken for a word")
	}
}

func wordsOf(h Help) string {
	var all []string
	for _, c := range h.Choices {
		all = append(all, c.Word)
	}
	return strings.Join(all, " ")
}

// TestWhoMayNotIsToldSo, and who is not there yet, at the line and at its help.
func TestWhoMayNotIsToldSo(t *testing.T) {
	l := New()
	for _, x := range []struct {
		class               config.AccountClass
		line, want, section string
	}{
		{config.Operator, "reload", "this command is for administrators, and otto is an operator", "For administrators"},
		{config.Operator, "copy running-config", "this command is for administrators", "For administrators"},
		{config.Operator, "conf", "this command is for administrators", "For administrators"},
		{config.Operator, "banner x", "only an administrator can change the configuration", "For administrators, after configure"},
		{config.Operator, "reload | include x", "this command is for administrators", ""},
		{config.Operator, "nonsense", "unknown command", ""},
		{config.Operator, "show nonsense", "unknown word", ""},
		{config.Administrator, "reload", "type enable first", "After enable"},
		{config.Administrator, "show audit last 3", "type enable first", ""},
		{config.Administrator, "conf", "type enable first", "After enable"},
		{config.Administrator, "no reload", "type enable first", ""},
		{config.Administrator, "no debug all", "type enable first", ""},
		{config.Administrator, "interface sip X", "type enable and configure first", "After enable and configure"},
		{config.Administrator, "no shutdown", "unknown", ""},
	} {
		c := newConsole(l)
		c.box.Box = helpBox{}
		c.s.Class, c.s.User = x.class, "otto"
		if got := c.types(x.line); !strings.Contains(got, x.want) {
			t.Errorf("%s types %q: %q, want %q", x.class, x.line, got, x.want)
		}
		word, _, _ := strings.Cut(x.line, " ")
		if h := l.Help(c.box, &c.s, word, len(word)); x.section != "" && (len(h.Choices) == 0 || h.Choices[0].Section != x.section || h.Insert != "") {
			t.Errorf("%s asks for help with %q: %+v", x.class, word, h)
		}
	}
}

// TestOwnWordsComeFirst in the help of a mode, and those of the modes around it have headings.
func TestOwnWordsComeFirst(t *testing.T) {
	c := configuringConsole(New())
	c.box.Box = helpBox{}
	c.types("context cs SWITCH", "interface sip IF_A")
	h := c.lang.Help(c.box, &c.s, "", 0)
	var sections []string
	seen := map[string]bool{}
	for _, x := range h.Choices {
		if len(sections) == 0 || sections[len(sections)-1] != x.Section {
			sections = append(sections, x.Section)
		}
		if seen[x.Word] {
			t.Errorf("%s stands there twice", x.Word)
		}
		seen[x.Word] = true
	}
	if got := strings.Join(sections, ", "); got != "interface sip IF_A, context cs SWITCH, Configuration, Commands" {
		t.Errorf("sections %s", got)
	}
	if h := c.lang.Help(c.box, &c.s, "call-transfer ", 14); h.Choices[0].Section != "" {
		t.Errorf("a heading over one section: %+v", h.Choices[0])
	}
}

func TestNamesAreCompleted(t *testing.T) {
	c := configuringConsole(New())
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(line)
	}
	c.types("end")
	c.box.Box = namedBox{}
	c.box.files["startup-config.1"] = []byte("banner x")
	for _, x := range []struct{ line, insert string }{
		{"erase pki:cert", "ificate/MINE "},
		{"erase pki:p", "rivate-key/myprivate.key "},
		{"export pki", ":certificate/MINE "},
		{"import pki:private", "-key/myprivate.key "},
		{"clear calls 4", "711 "},
		{"show calls record 08", "15 "},
		{"register now us", "er.01 "},
		{"clear bans 192", ".0.2.7 "},
		{"show call-router rt_from_t", "eams "},
		{"show context sip-gateway gw_sip_l", "an_5060 "},
		{"show startup-config ", "1 "},
		{"show call-router trace if_sip_st", "arface "},
	} {
		if h := c.lang.Help(c.box, &c.s, x.line, len(x.line)); h.Insert != x.insert {
			t.Errorf("%q: inserts %q, want %q", x.line, h.Insert, x.insert)
		}
	}
}

// namedBox holds one of each.
type namedBox struct{ helpBox }

func (namedBox) PKI() []status.Key {
	return []status.Key{{Kind: status.KeyCertificate, Name: "MINE"}, {Kind: status.KeyPrivate, Name: "myprivate.key"}, {Kind: status.KeyTrusted, Name: "DigiCert"}}
}
func (namedBox) Calls() []status.Call { return []status.Call{{ID: "4711"}} }
func (namedBox) FindCalls(status.RecordSearch) (status.RecordsFound, error) {
	return status.RecordsFound{Records: []status.Record{{ID: "0815"}}}, nil
}
func (namedBox) CallRecords(int) ([]status.Record, error) { return []status.Record{{ID: "0815"}}, nil }
func (namedBox) Registrations() []status.Registration {
	return []status.Registration{{Identity: "user.01"}}
}
func (namedBox) Bans() []status.Ban { return []status.Ban{{Source: netip.MustParseAddr("192.0.2.7")}} }
