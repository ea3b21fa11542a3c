package lang

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/plural"
)

// What may stand behind a command to choose from what it prints: show log | include teams | count

// filterWords are the filters, and what each does.
var filterWords = []Choice{
	{Word: "include", Help: "Only lines that hold a text, whatever its case"},
	{Word: "exclude", Help: "Only lines that do not"},
	{Word: "begin", Help: "From the first line on that holds a text"},
	{Word: "count", Help: "How many lines there are, or hold a text"},
}

// filter is one of them.
type filter struct {
	word, text string
	begun      bool
	lines      int
}

// splitFilters cuts a line at the marks of its filters. A | is one where a blank stands before it, outside of quotes.
func splitFilters(line string) (command string, filters []string) {
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

// parseFilter reads what stands behind a mark.
func parseFilter(text string) (*filter, error) {
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
	f := &filter{word: fits[0], text: strings.ToLower(strings.TrimSpace(rest))}
	if words := cli.Words(rest); len(words) == 1 && words[0].Quoted {
		f.text = strings.ToLower(words[0].Text)
	}
	if f.text == "" && f.word != "count" {
		return nil, fmt.Errorf("incomplete: expected a text behind %s", f.word)
	}
	return f, nil
}

// takes reports whether a line goes on.
func (f *filter) takes(line string) bool {
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

// filtered passes on the lines that all filters take.
type filtered struct {
	to      io.Writer
	filters []*filter
	part    []byte // a line without its end
}

func (w *filtered) Write(p []byte) (int, error) {
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
func (w *filtered) pass(n int, line string) error {
	for _, f := range w.filters[n:] {
		if !f.takes(line) {
			return nil
		}
	}
	_, err := io.WriteString(w.to, line)
	return err
}

// Live passes on that news follow.
func (w *filtered) Live() {
	if to, ok := w.to.(interface{ Live() }); ok {
		to.Live()
	}
}

// end passes on a last line without an end, and what was counted.
func (w *filtered) end() error {
	if len(w.part) > 0 {
		if err := w.pass(0, string(w.part)); err != nil {
			return err
		}
	}
	for n, f := range w.filters {
		if f.word == "count" {
			if err := w.pass(n+1, plural.Of(f.lines, "line")+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// filteredCommand runs a command with filters behind it; ran is false where the line is none.
func (l *Language) filteredCommand(c *call, layers []cli.Layer, line string) (ran bool, err error) {
	command, texts := splitFilters(line)
	if len(texts) == 0 {
		return false, nil
	}
	m, err := l.table.Match(layers, command, c.box.Running())
	if err != nil {
		return false, nil
	}
	do, isCommand := m.Stmt.Data.(action)
	if !isCommand {
		return false, nil
	}
	if draftOf(c.box) != nil {
		return true, errCommand
	}
	out := &filtered{to: c.out}
	for _, text := range texts {
		f, err := parseFilter(text)
		if err != nil {
			return true, err
		}
		out.filters = append(out.filters, f)
	}
	c.corrections(m)
	c.out = out
	err = do.run(c, m.Args())
	c.out = out.to
	return true, cmp.Or(err, out.end())
}

// filterHelp is what may stand behind the last mark of a line; ok is false where there is none.
func filterHelp(line string) (h Help, ok bool) {
	_, texts := splitFilters(line)
	if len(texts) == 0 {
		return Help{}, false
	}
	last := strings.TrimLeft(texts[len(texts)-1], " ")
	if strings.ContainsAny(last, " \t") {
		return Help{Text: true}, true
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
