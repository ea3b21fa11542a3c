package cli

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
)

// Choice is one possible next word. Section is the name of its layer.
type Choice struct{ Word, Help, Section string }

// Help is what can come next at a position in a line.
type Help struct {
	Choices []Choice
	Insert  string // text that Tab can insert
	Text    bool   // the word under the cursor is free text; it can no longer become a keyword or a name
}

// endOfLine means that the line may end here.
const endOfLine = "<cr>"

// Help returns what can come next at cursor, a byte offset in line. outside lists the objects of a kind (Type.Outside); it may be nil.
func (t *Table) Help(layers []Layer, line string, cursor int, root any, outside func(kind string) []string) Help {
	cursor = max(0, min(cursor, len(line)))
	before := line[:cursor]
	words := Words(before)
	partial := ""
	if n := len(words); n > 0 && words[n-1].End == cursor {
		partial = before[words[n-1].Start:]
		words = words[:n-1]
	}
	for i, w := range words {
		if !w.Quoted && strings.HasPrefix(w.Text, `"`) { // a quotation that is not closed yet
			partial, words = before[w.Start:], words[:i]
			break
		}
	}
	h := helper{table: t, root: root, partial: partial, outside: outside, first: len(words) == 0 || len(words) == 1 && words[0].Text == "no"}
	// The meaning of an abbreviation decides what comes after it: use the best readings of the words before.
	first := &matcher{table: t, root: root, words: words}
	first.run(layers)
	h.best = first.bestFits()
	m := &matcher{table: t, root: root, words: words}
	m.atEnd = func(n node) {
		if h.fits(m.cur.fits) {
			h.section, h.within = layers[m.cur.Layer].Name, layers[m.cur.Layer].Within
			h.add(n, m.cur.Stmt)
		}
	}
	m.run(layers)
	if len(words) == 0 && strings.HasPrefix("no", partial) {
		h.addNo(layers)
	}
	return h.result()
}

// bestFits returns the fit of each word in the best readings.
func (m *matcher) bestFits() []int {
	rs := m.readings
	var fits []int
	for i := range m.words {
		best := 0
		for _, r := range rs {
			best = max(best, r.fits[i])
		}
		kept := rs[:0:0]
		for _, r := range rs {
			if r.fits[i] == best {
				kept = append(kept, r)
			}
		}
		rs, fits = kept, append(fits, best)
	}
	return fits
}

type helper struct {
	table   *Table
	root    any
	partial string
	outside func(kind string) []string
	best    []int
	section string // of what is added
	within  any    // the outermost object around it
	first   bool   // of the line, but for a `no`
	choices []Choice
	tabs    []string // words that Tab may complete to
	free    bool
}

// fits reports whether a reading of the preceding words is one of the best.
func (h *helper) fits(fits []int) bool {
	for i, best := range h.best {
		if i < len(fits) && fits[i] != best {
			return false
		}
	}
	return true
}

func (h *helper) add(n node, s *Stmt) {
	switch n := n.(type) {
	case nil:
		if h.partial == "" {
			h.choice(endOfLine, s.Help, false)
		}
	case *word:
		if strings.HasPrefix(n.text, h.partial) {
			h.choice(n.text, h.helpFor(s, n.text), true)
		}
	case *arg:
		h.addArg(n, s)
	}
}

func (h *helper) addArg(n *arg, s *Stmt) {
	if n.typ.Free {
		h.free = true
	}
	for _, w := range n.typ.Words {
		if strings.HasPrefix(w, h.partial) {
			help, ok := n.typ.Help[w]
			if !ok {
				help = h.helpFor(s, w)
			}
			h.choice(w, help, true)
		}
	}
	if n.typ.Outside != "" && h.outside != nil {
		for _, name := range h.outside(n.typ.Outside) {
			if w := Quote(name); strings.HasPrefix(w, h.partial) {
				h.choice(w, n.label(), true)
			}
		}
	}
	if len(n.typ.Words) > 0 && n.typ.Parse == nil {
		return
	}
	if n.typ.Names != nil {
		for _, name := range n.typ.Names(h.root, h.within) {
			if w := Quote(name); strings.HasPrefix(w, h.partial) {
				h.choice(w, n.label(), true)
			}
		}
	}
	if n.key && s.Mode != nil && !n.typ.Free {
		for _, name := range h.table.existing(h.root, h.within, s, n) {
			if w := Quote(name); strings.HasPrefix(w, h.partial) {
				h.choice(w, "exists", true)
			}
		}
	}
	if h.partial == "" || !n.typ.Free {
		help := n.hint()
		if text := s.Words[n.String()]; text != "" {
			help = text
		}
		if def := s.argDefault(n); def != "" {
			help += ", default " + def
		}
		h.choice(n.String(), help, false)
	}
}

// helpFor returns the help for a word of a statement: its own help there, its general help (not for a first word), or the help of the
// statement.
func (h *helper) helpFor(s *Stmt, word string) string {
	if text, ok := s.Words[word]; ok {
		return text
	}
	if text, ok := h.table.options.Words[word]; ok && !h.first {
		return text
	}
	return s.Help
}

// existing lists the objects that a header line may open again: within the outermost object around it, or anywhere at the root.
func (t *Table) existing(root, within any, header *Stmt, a *arg) []string {
	var found []string
	var visit func(m *Mode, owner reflect.Value)
	visit = func(m *Mode, owner reflect.Value) {
		for _, s := range m.stmts {
			if s.Mode == nil {
				continue
			}
			f := owner.Elem().FieldByIndex(s.field)
			switch {
			case s.kind == kindPtr && !f.IsNil():
				visit(s.Mode, f)
			case s.kind == kindList:
				for i := range f.Len() {
					if s == header {
						found = appendNew(found, a.print(a.of(f.Index(i))))
					}
					if m != t.root || within == nil || f.Index(i).Interface() == within {
						visit(s.Mode, f.Index(i))
					}
				}
			}
		}
	}
	visit(t.root, reflect.ValueOf(root))
	return found
}

func (h *helper) choice(word, help string, tab bool) {
	i := slices.IndexFunc(h.choices, func(c Choice) bool { return c.Word == word })
	if i >= 0 && h.choices[i].Section != h.section {
		return // of a mode further out
	}
	if i < 0 {
		h.choices = append(h.choices, Choice{word, help, h.section})
		if tab {
			h.tabs = append(h.tabs, word)
		}
		return
	}
	switch have := h.choices[i].Help; {
	case have == help:
	case strings.HasPrefix(word, "<"):
		if !strings.Contains(have, help) {
			h.choices[i].Help += ", or " + help
		}
	default:
		h.choices[i].Help = h.table.options.Topics[word]
	}
}

// addNo offers `no` if one of the layers is a configuration mode.
func (h *helper) addNo(layers []Layer) {
	for _, l := range layers {
		if l.Mode.Type != nil {
			h.section = l.Name
			h.choice("no", "Take a line back", true)
			return
		}
	}
}

func (h *helper) result() Help {
	r := Help{Choices: h.choices}
	named := false
	for _, c := range h.choices {
		named = named || c.Word != endOfLine && !strings.HasPrefix(c.Word, "<")
	}
	r.Text = h.partial != "" && h.free && !named || strings.HasPrefix(h.partial, `"`)
	if r.Text {
		return Help{Text: true}
	}
	order := map[string]int{}
	for _, c := range r.Choices {
		if _, ok := order[c.Section]; !ok {
			order[c.Section] = len(order)
		}
	}
	slices.SortStableFunc(r.Choices, func(a, b Choice) int {
		return cmp.Or(order[a.Section]-order[b.Section], rank(a.Word)-rank(b.Word))
	})
	if len(h.tabs) > 0 {
		common := h.tabs[0]
		for _, w := range h.tabs[1:] {
			for !strings.HasPrefix(w, common) {
				common = common[:len(common)-1]
			}
		}
		r.Insert = strings.TrimPrefix(common, h.partial)
		if len(h.tabs) == 1 {
			r.Insert += " "
		}
	}
	return r
}

// rank puts words before forms, and the end of the line last.
func rank(word string) int {
	switch {
	case word == endOfLine:
		return 2
	case strings.HasPrefix(word, "<"):
		return 1
	}
	return 0
}
