package appliance_test

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/command"
	foreign "viaduct/appliance/printable/printabletest"
)

// typed are words that a line may have, by the kind of the argument or its name.
var typed = map[string]string{
	"what": "pki:certificate/a", "pkcs12": "pki:pkcs12/a", "private-key": "pki:private-key/a", "request": "pki:request/a", "certificate": "pki:certificate/a", "text": "123",
	"fingerprint": anySum, "acme": "a", "from": "http://h/x", "to": "startup-config", "moment": "3000d", "traced": "15", "call": "15", "record": "15", "called": "x", "switch": "S", "interface": "I",
	"banned": "192.0.2.7", "raised": "link-down", "of": "123", "subject": "eth00", "account": "anna", "peer": "I", "registered": "a", "host": "h.example", "ipv4": "192.0.2.7", "version": "1",
	"a": "running-config", "b": "startup-config", "table": "T", "gateway": "G", "start": "T",
	"survival": "15", "provisioning-template": "snom", "phone": "15", "presence": "a", "presence-certificate": "a", "presence-user": "a",
}

// moreLines are lines that the table does not suggest.
var moreLines = []string{
	"copy call:15 https://h/x", "copy running-config https://h/x", "copy http://h/x flash:", "copy http://h/x running-config", "copy https://h/x pki:pkcs12/a", "what-if running-config",
	"import pki:private-key/a", "erase pki:private-key/a", "export pki:certificate/a", "show call-router trace I called-e164 1", "show log | include x",
}

// bodies are what is pasted below a line, where it is not just any text.
var bodies = map[string]string{
	"import pki:pkcs12/a": "MBACAQMwCwYJKoZIhvcNAQcB",
	"check backup":        "-----BEGIN VIADUCT BACKUP-----\nMAoC\n-----END VIADUCT BACKUP-----\nsecret",
	"import backup":       "-----BEGIN VIADUCT BACKUP-----\nMAoC\n-----END VIADUCT BACKUP-----\nsecret",
}

// silent are the commands whose answers have no text of peers, with the reason.
var silent = map[string]string{
	"end": ofTheBox, "enable": ofTheBox, "help": ofTheBox, "exit": ofTheBox, "quit": ofTheBox, "logout": ofTheBox,
	"terminal more": ofTheBox, "change password": ofTheBox, "no terminal more": ofTheBox, "terminal length <n:0..500>": ofTheBox, "terminal width <n:20..500>": ofTheBox,
	"clear bans [<source:banned>]": "it counts sources", "clear penalty-box [<name:peer>]": "it counts peers", "clear sip binding <identity:phone>": "it counts phones", "clear alarm <id:raised> [<subject>]": "it repeats what was typed",
	"show running-config": ofTheConfiguration, "generate <what:request> [private-key <key:private-key>] [names <names:text>]": "it repeats what was typed", "show call-router [<name:table>]": ofTheConfiguration, "show accounts": ofTheConfiguration,
	"provisioning close": ofTheBox,
	"show uptime":        "it is a time", "debug capture <of:text>": "it says until when", "no debug capture": "it says nothing", "show clock": "it is a time", "show bans": "sources are addresses",
}

const (
	ofTheBox           = "its words are the box's"
	ofTheConfiguration = "an administrator has written it"
)

var (
	argument = regexp.MustCompile(`<(?:([^<>:]*):)?([^<>]*)>`)
	numbers  = regexp.MustCompile(`^(\d+)\.\.\d+$`)
)

// lines makes lines of a command's pattern: without and with each optional part, and with each word of a choice.
func lines(t *testing.T, pattern string) (all []string) {
	bare, parts := optionals(pattern)
	for _, line := range append([]string{bare}, prefixed(bare, parts)...) {
		all = append(all, filled(t, line)...)
	}
	return all
}

// optionals takes the parts in brackets out of a pattern.
func optionals(pattern string) (bare string, parts []string) {
	for {
		start := strings.IndexByte(pattern, '[')
		if start < 0 {
			return strings.Join(strings.Fields(pattern), " "), parts
		}
		depth, end := 0, start
		for ; ; end++ {
			switch pattern[end] {
			case '[':
				depth++
			case ']':
				depth--
			}
			if depth == 0 {
				break
			}
		}
		part, deeper := optionals(pattern[start+1 : end])
		parts = append(append(parts, part), prefixed(part, deeper)...)
		pattern = pattern[:start] + pattern[end+1:]
	}
}

func prefixed(before string, parts []string) (all []string) {
	for _, p := range parts {
		all = append(all, before+" "+p)
	}
	return all
}

// filled puts words in place of arguments.
func filled(t *testing.T, line string) []string {
	at := argument.FindStringSubmatchIndex(line)
	if at == nil {
		return []string{line}
	}
	kind := line[at[4]:at[5]]
	choices := strings.Split(kind, "|")
	if word, ok := typed[kind]; ok {
		choices = []string{word}
	} else if n := numbers.FindStringSubmatch(kind); n != nil {
		choices = []string{n[1]}
		if strings.HasPrefix(line[at[0]:], "<level:") {
			choices = []string{"1", "5"}
		}
	} else if len(choices) == 1 {
		t.Errorf("%s: what may be typed for %s? Name it in typed", line, line[at[0]:at[1]])
		return nil
	}
	if len(choices) > 5 {
		choices = choices[:1] // properties of a call
	}
	var all []string
	for _, word := range choices {
		all = append(all, filled(t, line[:at[0]]+word+line[at[1]:])...)
	}
	return all
}

// Every command that there is, typed in every way, shows text of peers without obeying it.
func TestPeersCannotSteerTheConsole(t *testing.T) {
	l := lang.New()
	cfg, problems := l.Parse([]byte("context cs S\nrouting-table called-e164 T\nroute default dest-table T\ninterface sip I\nroute call dest-table T\npresence-service a\nfleet\nname berlin\nredundancy\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	run := func(line string) (marked bool) {
		body, ok := bodies[line]
		if !ok {
			body = foreign.Text
		}
		for variant := range foreign.Variants {
			for _, mode := range [][]string{nil, {"enable"}} {
				var out strings.Builder
				s := &lang.Session{Class: config.Superuser, Mode: mode, Yes: variant%5 > 0, File: io.NopCloser(strings.NewReader("x")), User: foreign.Text, TTY: "ssh 192.0.2.7:1"}
				if variant%3 == 0 {
					s.Into = io.Discard
				}
				func() {
					defer func() {
						if why := recover(); why != nil {
							t.Errorf("%s: %v: does hostileBox have the method for it?", line, why)
						}
					}()
					r, _ := l.Exec(t.Context(), &hostileBox{variant: variant, cfg: cfg}, s, line, []byte(body), &out)
					if r.Prompt != "" && !strings.HasSuffix(line, " json") {
						out.WriteString(r.Prompt + "\n")
					}
					if r.Collect != nil {
						out.WriteString(r.Collect.Prompt + "\n")
					}
				}()
				why := foreign.Page(out.String())
				if strings.HasSuffix(line, " json") && why == "" {
					why = brokenJSON(out.String())
				}
				if why != "" {
					t.Errorf("%s, variant %d: the answer %s", line, variant, why)
					return true
				}
				marked = marked || strings.Contains(out.String(), foreign.Mark)
			}
		}
		return marked
	}
	for _, c := range command.Admin() {
		var all []string
		for _, form := range append([]string{c.Line}, c.Also...) {
			all = append(all, lines(t, form)...)
		}
		marked := false
		for _, line := range all {
			marked = run(line) || marked
		}
		if reason := silent[c.Line]; marked == (reason != "") {
			t.Errorf("%s: shows text of peers: %v, reason why not: %q; typed: %q", c.Line, marked, reason, all)
		}
	}
	for _, line := range moreLines {
		if !run(line) {
			t.Errorf("%s does not show text of peers", line)
		}
	}
	for _, rows := range []int{0, 3, 40} { // what a paste says at its end
		var out strings.Builder
		l.EndPaste(&hostileBox{variant: rows, cfg: cfg}, lang.Paste{Rows: rows}, &out)
		if why := foreign.Page(out.String()); why != "" {
			t.Errorf("the end of a paste %s", why)
		}
	}
	for line := range silent {
		if !slices.ContainsFunc(command.Admin(), func(c cli.Line) bool { return c.Line == line }) {
			t.Errorf("there is no command %s", line)
		}
	}
}

// What ? lists and what Tab puts into the line may be names that peers have chosen.
func TestPeersCannotSteerTheHelp(t *testing.T) {
	l := lang.New()
	cfg, _ := l.Parse([]byte("context cs S\ninterface sip I\n"))
	s := &lang.Session{Class: config.Superuser, Mode: []string{"enable"}}
	for _, c := range command.Admin() {
		for _, line := range lines(t, c.Line) {
			words := strings.Fields(line)
			for n := range words {
				line := strings.Join(words[:n+1], " ") + " "
				for variant := range foreign.Variants {
					for _, line := range []string{line, line + "x", line + "="} {
						h := l.Help(&hostileBox{variant: variant, cfg: cfg}, s, line, len(line))
						said := []string{h.Insert}
						for _, x := range h.Choices {
							said = append(said, x.Word, x.Help, x.Section)
						}
						for _, text := range said {
							if why := foreign.Line(text); why != "" {
								t.Fatalf("%q: a choice %s", line, why)
							}
						}
					}
				}
			}
		}
	}
}

// brokenJSON finds a line that is no JSON. Refusals begin with %.
func brokenJSON(text string) string {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "%") && !json.Valid([]byte(line)) {
			return fmt.Sprintf("is no JSON: %s", line)
		}
	}
	return ""
}
