package cli

import "strings"

// Look is what a line that is not understood looks like, by its first word.
type Look int

const (
	LooksStrange     Look = iota // no line begins so
	LooksAsStatement             // a line that opens no mode
	LooksAsHeader                // a line that opens a mode, here or elsewhere
)

// Look tells what line, which is not understood, may have been meant to be, and the word that it begins with. Layers are those in
// which it was tried.
func (t *Table) Look(layers []Layer, line string) (Look, string) {
	words := Words(seen(line))
	if len(words) == 0 || words[0].Quoted || words[0].Text == "no" {
		return LooksAsStatement, ""
	}
	first := words[0].Text
	var here []string
	for _, l := range layers {
		for _, s := range l.Mode.stmts {
			if s.Mode == nil && !l.Blocks {
				here = append(here, s.firstWords()...)
			}
		}
	}
	headers, others := t.firstWords(t.root, nil, nil)
	exactly := func(w string) bool { return w == first }
	if look, word := looks(here, headers, exactly); word != "" {
		return look, word
	}
	if look, word := looks(others, nil, exactly); word != "" {
		return look, word
	}
	if len(first) >= shortestSplit {
		if look, word := looks(here, headers, func(w string) bool { return strings.HasPrefix(w, first) }); word != "" {
			return look, word
		}
		if look, word := looks(here, headers, func(w string) bool { return distance(first, w, 1) <= 1 }); word != "" {
			return look, word
		}
	}
	return LooksStrange, ""
}

// shortestSplit is the length of a word below which neither its beginning nor a near miss says what was meant.
const shortestSplit = 4

// looks decides by which words are the one that was meant; where both kinds are, it was a statement.
func looks(here, headers []string, is func(string) bool) (Look, string) {
	for _, w := range here {
		if is(w) {
			return LooksAsStatement, w
		}
	}
	for _, w := range headers {
		if is(w) {
			return LooksAsHeader, w
		}
	}
	return LooksStrange, ""
}

// firstWords are those of all lines that open a mode, and of all others.
func (t *Table) firstWords(m *Mode, headers, others []string) ([]string, []string) {
	for _, s := range m.stmts {
		if s.Mode == nil {
			others = append(others, s.firstWords()...)
			continue
		}
		headers = append(headers, s.firstWords()...)
		headers, others = t.firstWords(s.Mode, headers, others)
	}
	return headers, others
}

// Opens reports whether a line of the mode that opens another begins with word.
func (m *Mode) Opens(word string) bool {
	for _, s := range m.stmts {
		if s.Mode == nil {
			continue
		}
		for _, w := range s.firstWords() {
			if w == word {
				return true
			}
		}
	}
	return false
}

// firstWords are the words that a statement may begin with.
func (s *Stmt) firstWords() []string {
	var list []string
	for _, p := range append([]node{s.pattern}, s.also...) {
		list = append(list, firstOf(p)...)
	}
	return list
}

func firstOf(n node) []string {
	switch n := n.(type) {
	case *seq:
		if len(n.nodes) > 0 {
			return firstOf(n.nodes[0])
		}
	case *word:
		return []string{n.text}
	case *arg:
		return n.typ.Words
	case *alternatives:
		var list []string
		for _, x := range n.nodes {
			list = append(list, firstOf(x)...)
		}
		return list
	}
	return nil
}
