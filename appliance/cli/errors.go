package cli

import (
	"fmt"
	"slices"
	"strings"
)

// Error is the error of a line.
type Error struct {
	Col        int // byte offset of the wrong word; the end of the line if something is missing
	Text       string
	Candidates []string // words that were probably meant
}

func (e *Error) Error() string { return e.Text }

// Together is an error of an argument's form that can be said in one with that of another pattern at the same place. Other errors hide all
// that come after them.
type Together interface {
	error
	With(other error) error
}

// failure describes what was expected in place of a word.
type failure struct {
	expected []string // keywords and fixed words
	correct  []string // those of them that a near miss is corrected to
	err      error    // of an argument's form
	extra    bool     // a pattern ended before this word
}

func (m *matcher) fail(pos int, n node, err error) {
	if m.failures == nil {
		return
	}
	f := m.failures[pos]
	if f == nil {
		f = &failure{}
		m.failures[pos] = f
	}
	switch n := n.(type) {
	case nil:
		f.extra = true
	case *word:
		f.expect(n.text, m.cur.Stmt)
	case *arg:
		for _, w := range n.typ.Words {
			f.expect(w, m.cur.Stmt)
		}
		together, ok := f.err.(Together)
		switch {
		case err == errNotAWord:
		case f.err == nil:
			f.err = err
		case ok:
			f.err = together.With(err)
		}
	}
}

func (f *failure) expect(text string, s *Stmt) {
	f.expected = appendNew(f.expected, text)
	if s.kind != kindArgs {
		f.correct = appendNew(f.correct, text)
	}
}

// shortestCorrected is the length from which a near miss is corrected to the keyword.
const shortestCorrected = 5

// nearMiss returns the only keyword that the word at pos resembles, or "".
func (m *matcher) nearMiss(pos int) string {
	f, w := m.failures[pos], m.words[pos]
	if f == nil || w.Quoted || len(w.Text) < shortestCorrected {
		return ""
	}
	near := nearest(w.Text, f.expected, 1)
	if len(near) != 1 || !slices.Contains(f.correct, near[0]) {
		return ""
	}
	return near[0]
}

// mostExpected limits how many expected words a message lists: nobody reads more, and ? lists them with their help.
const mostExpected = 16

// error describes the failure at the furthest word that any pattern has reached.
func (m *matcher) error(line string) *Error {
	if len(m.words) == 0 {
		return &Error{Text: "empty line"}
	}
	furthest := 0
	for pos := range m.failures {
		furthest = max(furthest, pos)
	}
	f, w := m.failures[furthest], m.words[furthest]
	if f == nil {
		return &Error{Col: w.Start, Text: "unknown command"}
	}
	e := &Error{Col: w.Start}
	if _, ok := f.err.(notANumber); ok && len(f.expected) > 0 {
		f.err = nil
	}
	switch {
	case f.err != nil:
		e.Text = f.err.Error()
	case len(f.expected) == 0 && f.extra:
		e.Text = fmt.Sprintf("nothing may follow here: %s", quoteWord(w.Text))
		return e
	case furthest == 0 || furthest == 1 && m.words[0].Text == "no":
		e.Text = fmt.Sprintf("unknown command %s", quoteWord(w.Text))
	default:
		e.Text = fmt.Sprintf("unknown word %s", quoteWord(w.Text))
	}
	limit := 2
	if len(w.Text) < shortestCorrected {
		limit = 1
	}
	e.Candidates = nearest(w.Text, f.expected, limit)
	switch {
	case len(e.Candidates) > 0:
		e.Text += ", did you mean " + orList(e.Candidates) + "?"
	case f.err != nil, furthest == 0, furthest == 1 && m.words[0].Text == "no":
	default:
		e.Text += ", expected " + oneOf(f.expected)
	}
	return e
}

// incomplete describes what is missing at the end of a line.
func incomplete(line string, rs []reading) *Error {
	var next []string
	for _, r := range rs {
		switch n := r.next.(type) {
		case *word:
			next = appendNew(next, n.text)
		case *arg:
			if len(n.typ.Words) > 0 && len(n.typ.Words) <= 8 {
				for _, w := range n.typ.Words {
					next = appendNew(next, w)
				}
				continue
			}
			next = appendNew(next, n.String())
		}
	}
	if rs[0].Neg && len(next) == 0 {
		for _, k := range rs[0].Stmt.keys {
			next = appendNew(next, k.String())
		}
	}
	return &Error{Col: len(strings.TrimRight(line, " \t\r\n")), Candidates: next, Text: "incomplete: expected " + oneOf(next)}
}

// nearest returns the words of at most the given edit distance, the nearest only.
func nearest(word string, among []string, limit int) []string {
	var found []string
	best := limit
	for _, w := range among {
		d := distance(word, w, best)
		if d > best {
			continue
		}
		if d < best {
			found, best = nil, d
		}
		found = appendNew(found, w)
	}
	slices.Sort(found)
	return found
}

// distance returns the edit distance of a and b with transpositions (Damerau), or limit+1 if it exceeds limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 256 {
		return limit + 1
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}

// Nearest returns the names that are most similar to name, or none.
func Nearest(name string, among []string) []string { return nearest(name, among, 1+len(name)/4) }

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func orList(words []string) string {
	switch len(words) {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// oneOf lists expected words, or says how many they are.
func oneOf(words []string) string {
	if len(words) > mostExpected {
		return fmt.Sprintf("one of %d words: ? in its place lists them", len(words))
	}
	return orList(words)
}

// quoteWord quotes and shortens a word for a message.
func quoteWord(w string) string {
	const longest = 60
	if len(w) > longest {
		w = w[:longest] + "..."
	}
	return fmt.Sprintf("%q", w)
}
