package lang

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/cli"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// A header line completes to the objects that exist, because it opens them again.
func TestHeadersCompleteToWhatExists(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		c.types(line)
	}
	for _, x := range []struct{ line, first, insert string }{
		{"profile voip pf_voip_s", "pf_voip_starface", "tarface "},
		{"interface sip if_sip_st", "if_sip_starface", "arface "},
		{"context cs S", "SWITCH", "WITCH "},
		{"profile voip unheard", "<name>", ""},
	} {
		h := l.Help(c.box, &c.s, x.line, len(x.line))
		if h.Insert != x.insert || len(h.Choices) == 0 || h.Choices[0].Word != x.first {
			t.Errorf("%q: %+v", x.line, h)
		}
	}
}

// Every keyword that `show ?` lists says what it is about.
func TestEveryKeywordHasHelp(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	for _, line := range []string{"", "show ", "no ", "show system ", "show context ", "debug ", "show call-router "} {
		for _, x := range l.Help(c.box, &c.s, line, len(line)).Choices {
			if x.Help == "" {
				t.Errorf("%q: %s has no help", line, x.Word)
			}
		}
	}
}

// helpBox is a box in which nothing has a name.
type helpBox struct{ device.Box }

func (helpBox) PKI() []status.Key                    { return nil }
func (helpBox) Calls() []status.Call                 { return nil }
func (helpBox) Peers() []status.Peer                 { return nil }
func (helpBox) Registrations() []status.Registration { return nil }
func (helpBox) FindCalls(status.RecordSearch) (status.RecordsFound, error) {
	return status.RecordsFound{}, nil
}
func (helpBox) CallRecords(int) ([]status.Record, error) { return nil, nil }
func (helpBox) Bans() []status.Ban                       { return nil }

// TestEveryWordHasHelpOfItsOwn: two words that may stand in one place do not say the same.
func TestEveryWordHasHelpOfItsOwn(t *testing.T) {
	l := New()
	modes := [][]string{nil, {"enable"}}
	c := configuringConsole(l)
	for line := range strings.Lines(string(reference(t, "starface-teams.cfg"))) {
		if c.types(line); !slices.ContainsFunc(modes, func(m []string) bool { return slices.Equal(m, c.s.Mode) }) {
			modes = append(modes, c.s.Mode)
		}
	}
	c.box.Box = helpBox{}
	var grammar strings.Builder
	var write func(lines []Line)
	write = func(lines []Line) {
		for _, x := range lines {
			grammar.WriteString(x.Line + " " + strings.Join(x.Also, " ") + " ")
			write(x.Lines)
		}
	}
	write(statements)
	write(command.Admin())
	for _, x := range options.Types {
		grammar.WriteString(strings.Join(x.Words, " ") + " ")
	}
	seen := map[string]bool{}
	var look func(line string, depth int)
	look = func(line string, depth int) {
		said := map[string]string{}
		for _, x := range l.Help(c.box, &c.s, line, len(line)).Choices {
			key := line + x.Word + x.Help
			if strings.HasPrefix(x.Word, "<") || seen[key] || !strings.Contains(grammar.String(), x.Word) {
				continue
			}
			seen[key] = true
			if other := said[x.Help]; other != "" && x.Help != "exists" && !seen[x.Help] {
				seen[x.Help] = true
				t.Errorf("%q: %s and %s have the same help %q", line, other, x.Word, x.Help)
			}
			if said[x.Help] = x.Word; x.Help == "" {
				t.Errorf("%q: %s has no help: where it begins several lines, it is in topics of word/help.go", line, x.Word)
			}
			if depth < 4 {
				look(line+x.Word+" ", depth+1)
			}
		}
	}
	for _, c.s.Mode = range modes {
		look("", 0)
	}
}

// Words that a line offers for one place, in a list or in a group. (A group may hold lists, which end in the same marks.)
var (
	wordLists  = regexp.MustCompile(`<[^<>:]*:([^<>:]*\|[^<>:]*)>`)
	wordGroups = regexp.MustCompile(`\(([^()]*)\)`)
	arguments  = regexp.MustCompile(`<[^<>]*>`)
)

// Where a line offers several words for one place, the help for the whole line says nothing about any of them.
func TestEveryWordToChooseHasHelp(t *testing.T) {
	known := func(line string, own map[string]string, words []string) {
		for _, w := range words {
			if own[w] == "" && options.Words[w] == "" && len(words) > 1 {
				t.Errorf("%s: %s has no help of its own: Words of the line, or Help in word/help.go", line, w)
			}
		}
	}
	var look func(lines []Line)
	look = func(lines []Line) {
		for _, x := range lines {
			for _, form := range append([]string{x.Line}, x.Also...) {
				for _, list := range wordLists.FindAllStringSubmatchIndex(form, -1) {
					own := x.Words
					if list[0] == 0 {
						own = options.Topics
					}
					known(form, own, strings.Split(form[list[2]:list[3]], "|"))
				}
				for _, group := range wordGroups.FindAllStringSubmatch(arguments.ReplaceAllString(form, "<>"), -1) {
					var words []string
					for way := range strings.SplitSeq(group[1], "|") {
						if first, _, _ := strings.Cut(way, " "); first != "<>" {
							words = append(words, strings.TrimPrefix(first, "["))
						}
					}
					known(form, x.Words, words)
				}
			}
			look(x.Lines)
		}
	}
	look(statements)
	look(command.Admin())
	for of, x := range options.Types {
		known(of.String(), x.Help, x.Words)
	}
	for of, x := range options.Kinds {
		known(of, x.Help, x.Words)
	}
}

// The help of a word is that of the line it stands in, not what it means in another one.
func TestHelpOfAWordIsThatOfItsLine(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.types("profile acl A", "exit", "profile voip V", "exit", "context cs C", "routing-table called-e164 R", "exit", "mapping-table called-e164 to called-e164 M", "exit", "interface sip S")
	c.box.Box = helpBox{}
	configure, cs := []string{"enable", "configure"}, []string{"enable", "configure", "context cs C"}
	for _, x := range []struct {
		mode             []string
		line, word, help string
	}{
		{configure, "context ", "ip", "IP interfaces, addresses and routes"},
		{[]string{"enable"}, "show ", "ip", "Internet protocol"},
		{append(configure, "profile acl A"), "permit ", "ip", "Any protocol"},
		{append(configure, "profile voip V"), "dtmf-relay ", "default", "In the way that the peer supports"},
		{append(configure, "profile voip V"), "media-processing ", "forced", "Always"},
		{append(cs, "routing-table called-e164 R"), "route ", "default", "If no key matches"},
		{append(cs, "mapping-table called-e164 to called-e164 M"), "map ", "default", "If no key matches"},
		{append(cs, "interface sip S"), "use mapping-table ", "in", "Apply this table to calls from this peer"},
		{append(cs, "interface sip S"), "penalty-box sip-option-trigger interval 60 timeout 60 ", "force", "Over this transport"},
		{[]string{"enable"}, "reload ", "in", "After some minutes, unless cancelled"},
		{[]string{"enable"}, "reload ", "force", "Without confirmation"},
	} {
		c.s.Mode = x.mode
		choices := l.Help(c.box, &c.s, x.line, len(x.line)).Choices
		if i := slices.IndexFunc(choices, func(o cli.Choice) bool { return o.Word == x.word }); i < 0 || choices[i].Help != x.help {
			t.Errorf("%v %q %s: %+v, want %q", x.mode, x.line, x.word, choices, x.help)
		}
	}
}
