package answer

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/plural"
)

// What may stand behind a command to choose from what it prints: show log | include teams | count

// filterWords are the filters, and what each does.
var filterWords = []cli.Choice{
	{Word: "include", Help: "Only lines that hold a text, whatever its case"},
	{Word: "exclude", Help: "Only lines that do not"},
	{Word: "begin", Help: "From the first line on that holds a text"},
	{Word: "count", Help: "How many lines there are, or hold a text"},
}

// condition is one of them.
type condition struct {
	word, text string
	begun      bool
	lines      int
}

// SplitFilters cuts a line at the marks of its filters. A | is one where a blank stands before it, outside of quotes.
func SplitFilters(line string) (command string, filters []string) {
	end := len(line)
	words := cli.Words(line)
	for i := len(words) - 1; i > 0; i-- {
		if w := words[i]; !w.Quoted && strings.HasPrefix(w.Text, "|") {
			filters = append(filters, line[w.Start+1:end])
			end = w.Start
		}
	}
	slices.Reverse(filters)
	return line[:end], filters
}

// NewFilter passes on to a writer the lines that the filters behind all marks take.
func NewFilter(to io.Writer, texts []string) (*Filter, error) {
	w := &Filter{to: to}
	for _, text := range texts {
		f, err := parseCondition(text)
		if err != nil {
			return nil, err
		}
		w.conditions = append(w.conditions, f)
	}
	return w, nil
}

// parseCondition reads what stands behind a mark.
func parseCondition(text string) (*condition, error) {
	text = strings.TrimSpace(text)
	name, rest, _ := strings.Cut(text, " ")
	var fits []string
	for _, w := range filterWords {
		if name != "" && strings.HasPrefix(w.Word, name) {
			fits = append(fits, w.Word)
		}
	}
	if len(fits) != 1 {
		return nil, fmt.Errorf("no filter %q: include TEXT, exclude TEXT, begin TEXT or count", name)
	}
	f := &condition{word: fits[0], text: strings.ToLower(strings.TrimSpace(rest))}
	if words := cli.Words(rest); len(words) == 1 && words[0].Quoted {
		f.text = strings.ToLower(words[0].Text)
	}
	if f.text == "" && f.word != "count" {
		return nil, fmt.Errorf("incomplete: expected a text behind %s", f.word)
	}
	return f, nil
}

// takes reports whether a line goes on.
func (f *condition) takes(line string) bool {
	holds := strings.Contains(strings.ToLower(line), f.text)
	switch f.word {
	case "exclude":
		return !holds
	case "begin":
		f.begun = f.begun || holds
		return f.begun
	case "count":
		if holds {
			f.lines++
		}
		return false
	}
	return holds
}

// Filter passes on the lines that all its filters take.
type Filter struct {
	to         io.Writer
	conditions []*condition
	part       []byte // a line without its end
}

func (w *Filter) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	for {
		end := bytes.IndexByte(w.part, '\n')
		if end < 0 {
			return len(p), nil
		}
		line := w.part[:end+1]
		w.part = w.part[end+1:]
		if err := w.pass(0, string(line)); err != nil {
			return 0, err
		}
	}
}

// pass gives a line to the filters from n on.
func (w *Filter) pass(n int, line string) error {
	for _, f := range w.conditions[n:] {
		if !f.takes(line) {
			return nil
		}
	}
	_, err := io.WriteString(w.to, line)
	return err
}

// Live passes on that news follow.
func (w *Filter) Live() {
	if to, ok := w.to.(interface{ Live() }); ok {
		to.Live()
	}
}

// End passes on a last line without an end, and what was counted.
func (w *Filter) End() error {
	if len(w.part) > 0 {
		if err := w.pass(0, string(w.part)); err != nil {
			return err
		}
	}
	for n, f := range w.conditions {
		if f.word == "count" {
			if err := w.pass(n+1, plural.Of(f.lines, "line")+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// FilterHelp is what may stand behind the last mark of a line; ok is false where there is none.
func FilterHelp(line string) (h cli.Help, ok bool) {
	_, texts := SplitFilters(line)
	if len(texts) == 0 {
		return cli.Help{}, false
	}
	last := strings.TrimLeft(texts[len(texts)-1], " ")
	if strings.ContainsAny(last, " \t") {
		return cli.Help{Text: true}, true
	}
	for _, w := range filterWords {
		if strings.HasPrefix(w.Word, last) {
			h.Choices = append(h.Choices, w)
		}
	}
	if len(h.Choices) == 1 {
		h.Insert = strings.TrimPrefix(h.Choices[0].Word, last) + " "
	}
	return h, true
}
