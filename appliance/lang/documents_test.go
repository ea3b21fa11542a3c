package lang

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
)

// A place for a word of the reader's own, and what may stand there: a name, an address, a network, a number, a key.
var (
	ownWord  = regexp.MustCompile(`\b[A-Z][A-Z0-9.]*\b|\{[a-z]+\}`)
	ownWords = []string{"x", "192.0.2.1", "192.0.2.0/24", "5", "1", "31", "1500", "busy", "https://x/x", strings.Repeat("ab", 32)}
)

// everyMode is each mode of the configuration once, and the commands.
func everyMode(l *Language) []*cli.Mode {
	modes := []*cli.Mode{l.admin, l.table.Root()}
	for i := 1; i < len(modes); i++ {
		for _, s := range modes[i].Stmts() {
			if s.Mode != nil && !slices.Contains(modes, s.Mode) {
				modes = append(modes, s.Mode)
			}
		}
	}
	return modes
}

// documented says why a line that people are told to type means nothing in any mode. Words of their own stand in capitals.
func documented(l *Language, modes []*cli.Mode, line string) (best error) {
	line, _, _ = strings.Cut(strings.ReplaceAll(line, `\|`, "|"), " | ")
	lines := []string{line}
	if ownWord.MatchString(line) {
		for _, w := range ownWords {
			lines = append(lines, ownWord.ReplaceAllString(line, w))
			first := ownWord.FindStringIndex(line)[1] // more often than not a name
			lines = append(lines, line[:first]+ownWord.ReplaceAllString(line[first:], w))
		}
	}
	cfg, reach := config.New(), -1
	for _, line := range lines {
		for _, m := range modes {
			_, err := l.table.Match([]cli.Layer{{Mode: m}}, line, cfg)
			var e *cli.Error
			if !errors.As(err, &e) {
				return nil
			}
			if e.Col > reach {
				best, reach = err, e.Col
			}
		}
	}
	return best
}

// keywords are the words that begin a line.
func keywords(modes []*cli.Mode) map[string]bool {
	words := map[string]bool{}
	for _, m := range modes {
		for _, s := range m.Stmts() {
			for _, text := range append([]string{s.Line.Line}, s.Also...) {
				words[strings.Fields(text)[0]] = true
			}
		}
	}
	delete(words, "hub") // most often the program of that name, whose docs package hubcli reads
	return words
}

// inline is code within a sentence.
var inline = regexp.MustCompile("`([a-z][^`\n]*(?:\n[^`\n]*)?)`")

// Every line of the docs that begins like one of the box is understood by it: nobody is told to type what is refused.
func TestLinesOfTheDocs(t *testing.T) {
	l := New()
	modes := everyMode(l)
	words := keywords(modes)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 20 {
		t.Fatal(pages, err)
	}
	pages = slices.DeleteFunc(pages, func(page string) bool { return filepath.Base(page) == "commands.md" }) // made of the table itself
	looked := map[string]bool{}
	look := func(page, line string) {
		line = strings.Join(strings.Fields(line), " ")
		first, rest, _ := strings.Cut(line, " ")
		if first == "no" {
			first, rest, _ = strings.Cut(rest, " ")
		}
		if !words[first] || rest == "" || looked[line] || strings.Contains(line, "...") || strings.Contains(line, "…") || strings.HasSuffix(line, ":") {
			return
		}
		looked[line] = true
		if err := documented(l, modes, line); err != nil && !strings.Contains(err.Error(), "incomplete") {
			t.Errorf("%s: %s: %v", filepath.Base(page), line, err)
		}
	}
	for _, page := range append(pages, "../../README.md", "../../SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ = bytes.Cut(text, []byte("\n## From Patton's commands\n")) // half of them are not of this box
		for _, m := range inline.FindAllStringSubmatch(string(text), -1) {
			look(page, m[1])
		}
		for line := range strings.Lines(string(text)) {
			if code, is := strings.CutPrefix(line, "    "); is {
				code, _, _ = strings.Cut(strings.TrimSpace(code), "   ") // what it is for
				look(page, code)
			}
		}
	}
	if len(looked) < 400 {
		t.Errorf("only %d lines were found", len(looked))
	}
}
