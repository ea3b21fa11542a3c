package cli

import (
	"slices"
	"strings"
)

// Look says what an unknown line looks like, judged by its first word.
type Look int

const (
	LooksStrange     Look = iota // no line begins with such a word
	LooksAsStatement             // a line that opens no mode
	LooksAsHeader                // a line that opens a mode, here or elsewhere
)

// Look returns what an unknown line was probably meant to be, and the word that it begins with. Layers are the modes that did not understand
// it.
func (t *Table) Look(layers []Layer, line string) (Look, string) {
	words := Words(seen(line))
	if len(words) == 0 || words[0].Quoted || words[0].Text == "no" {
		return LooksAsStatement, ""
	}
	first := words[0].Text
	var here, opening []string // first words of these layers
	for _, l := range layers {
		for _, s := range l.Mode.stmts {
			switch {
			case s.Mode != nil:
				opening = append(opening, s.firstWords()...)
			case !l.Blocks:
				here = append(here, s.firstWords()...)
			}
		}
	}
	headers, others := t.firstWords(t.root, nil, nil)
	exactly := func(w string) bool { return w == first }
	nearly := func(w string) bool {
		return len(first) >= shortestSplit && (strings.HasPrefix(w, first) || distance(first, w, 1) <= 1)
	}
	// Lines of these layers come before lines of others, and misspelt statements before misspelt headers.
	for _, x := range []struct {
		words []string
		is    func(string) bool
		look  Look
	}{
		{here, exactly, LooksAsStatement}, {opening, exactly, LooksAsHeader}, {here, nearly, LooksAsStatement},
		{headers, exactly, LooksAsHeader}, {others, exactly, LooksAsStatement}, {headers, nearly, LooksAsHeader},
	} {
		if i := slices.IndexFunc(x.words, x.is); i >= 0 {
			return x.look, x.words[i]
		}
	}
	return LooksStrange, ""
}

// shortestSplit is the length from which the beginning of a word, or a near miss, says what was meant.
const shortestSplit = 4

// firstWords returns the first words of all lines that open a mode, and of all other lines.
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

// firstWords returns the words that a statement may begin with.
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
