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

// Filters stand behind a command and select lines of its output: show log | include teams | count

// filterWords are the filters.
var filterWords = []cli.Choice{
	{Word: "include", Help: "Only lines that contain a text, ignoring case"},
	{Word: "exclude", Help: "Only lines that do not contain a text"},
	{Word: "begin", Help: "From the first line that contains a text"},
	{Word: "count", Help: "The number of lines, or of lines that contain a text"},
}

// condition is one filter.
type condition struct {
	word, text string
	begun      bool
	lines      int
}

// SplitFilters splits a line into a command and its filters. A filter starts with a | that begins a word outside quotes.
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

// NewFilter returns a writer that passes on to another one the lines that all filters accept.
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

// parseCondition parses one filter, without its |.
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
		return nil, fmt.Errorf("incomplete: expected a text after %s", f.word)
	}
	return f, nil
}

// takes reports whether a line passes the filter.
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

// Filter passes on the lines that all its conditions accept.
type Filter struct {
	to         io.Writer
	conditions []*condition
	part       []byte // an incomplete line
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

// pass passes a line through the conditions from n on.
func (w *Filter) pass(n int, line string) error {
	for _, f := range w.conditions[n:] {
		if !f.takes(line) {
			return nil
		}
	}
	_, err := io.WriteString(w.to, line)
	return err
}

// Live passes on that output should appear as it arrives.
func (w *Filter) Live() {
	if to, ok := w.to.(interface{ Live() }); ok {
		to.Live()
	}
}

// End flushes an incomplete last line and writes the counts.
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

// FilterHelp returns the help for the last filter of a line; ok is false if there is none.
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
