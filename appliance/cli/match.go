package cli

import (
	"reflect"
	"slices"
	"strings"
)

// Layer is a mode that may understand a line. Match tries several layers: the current mode, the modes around it, and commands. If the words
// fit several layers equally well, the first one wins.
type Layer struct {
	Mode    *Mode
	Correct bool // correct near misses of keywords
	Blocks  bool // only statements that open a mode
	Name    string
	Within  any // the outermost object around the mode, in which names are resolved; nil at the root
}

// Match is a line that was understood.
type Match struct {
	Stmt        *Stmt
	Layer       int
	Neg         bool // the line began with `no`
	Corrections []Correction
	Exact       bool // no keyword was abbreviated
	binds       []bind
	flags       []*word
}

// Correction is a near miss that was corrected to a keyword.
type Correction struct{ Word, Taken string }

type bind struct {
	arg   *arg
	value reflect.Value
}

// Args returns a pointer to a new struct of the command's argument type.
func (m *Match) Args() any {
	v := withDefaults(m.Stmt.elem)
	m.fill(v)
	return v.Addr().Interface()
}

// Hidden reports whether a secret of the line is only the mark that stands for one where secrets are hidden.
func (m *Match) Hidden() bool {
	return slices.ContainsFunc(m.binds, func(b bind) bool {
		return b.arg.typ.Secret && b.value.Kind() == reflect.String && b.value.String() == masked
	})
}

// fill sets the fields of elem that the line names.
func (m *Match) fill(elem reflect.Value) {
	for _, b := range m.binds {
		if !b.arg.dropped {
			b.arg.of(elem).Set(b.value)
		}
	}
	for _, w := range m.flags {
		elem.FieldByIndex(w.flag).SetBool(true)
	}
}

// How well a word of the line fits. Of two readings, the one with the better fit at the first difference is better.
const (
	fitShort   = iota + 1 // abbreviation
	fitText               // free text
	fitTyped              // a value with a form
	fitKeyword            // exactly
)

// reading is one interpretation of all words of a line.
type reading struct {
	Match
	words    []string // the keyword that each word stands for, "" for an argument
	fits     []int
	complete bool
	next     node // missing, if the line is not complete
}

// mostCorrected limits how many words of a line are corrected.
const mostCorrected = 2

// Match finds the meaning of a line in the layers. The error is an *Error.
func (t *Table) Match(layers []Layer, line string, root any) (*Match, error) {
	if err := misread(line); err != nil {
		return nil, err
	}
	m, err := t.match(layers, line, Words(line), root, mostCorrected)
	if e, ok := err.(*Error); ok {
		e.Text += oddBlank(line)
	}
	return m, err
}

// match finds the meaning of words, and corrects up to so many near misses.
func (t *Table) match(layers []Layer, line string, words []Word, root any, mayMiss int) (*Match, error) {
	m := &matcher{table: t, root: root, words: words}
	m.run(layers)
	best, err := m.choose(line)
	if err == nil || len(m.readings) > 0 {
		return best, err
	}
	f := &matcher{table: t, root: root, words: words, failures: map[int]*failure{}}
	f.run(layers)
	if mayMiss == 0 || !slices.ContainsFunc(layers, func(l Layer) bool { return l.Correct }) {
		return nil, f.error(line)
	}
	for pos := len(words) - 1; pos >= 0; pos-- {
		taken := f.nearMiss(pos)
		if taken == "" {
			continue
		}
		corrected := slices.Clone(words)
		corrected[pos].Text = taken
		if best, err := t.match(layers, line, corrected, root, mayMiss-1); err == nil {
			best.Exact = false
			best.Corrections = append([]Correction{{Word: words[pos].Text, Taken: taken}}, best.Corrections...)
			return best, nil
		}
	}
	return nil, f.error(line)
}

// matcher explores the patterns of the layers.
type matcher struct {
	table    *Table
	root     any
	layers   []Layer
	words    []Word
	failures map[int]*failure // by word; may be nil
	atEnd    func(node)       // called with each node that may follow the last word; may be nil
	readings []reading

	cur    reading // the stack of the exploration
	offset int     // 1 after `no`
}

func (m *matcher) run(layers []Layer) {
	m.layers = layers
	neg := len(m.words) > 0 && m.words[0].Text == "no" && !m.words[0].Quoted
	for i, l := range layers {
		m.cur = reading{Match: Match{Layer: i}}
		m.offset = 0
		if neg && l.Mode.Type != nil {
			m.cur.Neg, m.offset = true, 1
			m.cur.words, m.cur.fits = []string{"no"}, []int{fitKeyword}
		}
		for _, s := range l.Mode.stmts {
			if l.Blocks && s.Mode == nil {
				continue
			}
			m.cur.Stmt = s
			if m.failures == nil && !m.mayBegin(s) {
				continue
			}
			m.explore(s.pattern, m.offset, m.done)
			for _, p := range s.also {
				m.explore(p, m.offset, m.done)
			}
		}
	}
}

// mayBegin is a quick check of the first word.
func (m *matcher) mayBegin(s *Stmt) bool {
	if len(m.words) <= m.offset || len(s.also) > 0 {
		return true
	}
	first := s.pattern
	if q, ok := first.(*seq); ok && len(q.nodes) > 0 {
		first = q.nodes[0]
	}
	w, ok := first.(*word)
	return !ok || strings.HasPrefix(w.text, m.words[m.offset].Text)
}

// done is called when a whole pattern has matched up to word pos.
func (m *matcher) done(pos int) {
	if pos < len(m.words) {
		m.fail(pos, nil, nil)
		return
	}
	if m.atEnd != nil {
		m.atEnd(nil)
	}
	m.record(true, nil)
}

func (m *matcher) record(complete bool, next node) {
	r := m.cur
	r.complete, r.next = complete, next
	r.words = append([]string(nil), r.words...)
	r.fits = append([]int(nil), r.fits...)
	r.binds = append([]bind(nil), r.binds...)
	r.flags = append([]*word(nil), r.flags...)
	m.readings = append(m.readings, r)
}

// end records that the line ends before n.
func (m *matcher) end(n node) {
	if m.atEnd != nil {
		m.atEnd(n)
	}
	m.record(false, n)
}

// explore calls k for every way to match n from word pos on.
func (m *matcher) explore(n node, pos int, k func(int)) {
	switch n := n.(type) {
	case *seq:
		m.sequence(n.nodes, pos, k)
	case *optional:
		m.explore(n.node, pos, k)
		k(pos)
	case *anyOrder:
		m.anyOrder(n.opts, 0, pos, k)
	case *alternatives:
		for _, x := range n.nodes {
			m.explore(x, pos, k)
		}
	case *word:
		m.keyword(n, pos, k)
	case *arg:
		m.argument(n, pos, k)
	}
}

func (m *matcher) sequence(nodes []node, pos int, k func(int)) {
	if len(nodes) == 0 {
		k(pos)
		return
	}
	m.explore(nodes[0], pos, func(p int) { m.sequence(nodes[1:], p, k) })
}

func (m *matcher) anyOrder(opts []*optional, used uint, pos int, k func(int)) {
	for i, o := range opts {
		if used&(1<<i) == 0 {
			m.explore(o.node, pos, func(p int) { m.anyOrder(opts, used|1<<i, p, k) })
		}
	}
	k(pos)
}

func (m *matcher) keyword(n *word, pos int, k func(int)) {
	if pos >= len(m.words) {
		m.end(n)
		return
	}
	w := m.words[pos]
	fit := fitShort
	switch {
	case w.Text == n.text && !w.Quoted:
		fit = fitKeyword
	case w.Quoted || w.Text == "" || m.cur.Stmt.Whole || !strings.HasPrefix(n.text, w.Text):
		m.fail(pos, n, nil)
		return
	}
	m.push(n.text, fit)
	if n.flag != nil {
		m.cur.flags = append(m.cur.flags, n)
	}
	k(pos + 1)
	if n.flag != nil {
		m.cur.flags = m.cur.flags[:len(m.cur.flags)-1]
	}
	m.pop()
}

func (m *matcher) argument(n *arg, pos int, k func(int)) {
	if n.rest {
		for range m.words[min(pos, len(m.words)):] {
			m.push("", fitText)
		}
		k(max(pos, len(m.words)))
		for range m.words[min(pos, len(m.words)):] {
			m.pop()
		}
		return
	}
	if pos >= len(m.words) {
		m.end(n)
		return
	}
	w := m.words[pos]
	tried := false
	if !w.Quoted {
		for _, x := range n.typ.Words {
			if w.Text == "" || !strings.HasPrefix(x, w.Text) {
				continue
			}
			fit := fitShort
			if x == w.Text {
				fit = fitKeyword
			}
			v, err := n.parse(x, m.root)
			if err != nil {
				continue
			}
			tried = true
			m.bound(n, v, x, fit, pos, k)
			if fit == fitKeyword {
				return
			}
		}
	}
	if len(n.typ.Words) > 0 && n.typ.Parse == nil {
		if !tried {
			m.fail(pos, n, errNotAWord)
		}
		return
	}
	v, err := n.parse(w.Text, m.root)
	if err != nil {
		if !tried {
			m.fail(pos, n, err)
		}
		return
	}
	fit := fitTyped
	if n.gotype.Kind() == reflect.String || n.typ.Free {
		fit = fitText
	}
	m.bound(n, v, "", fit, pos, k)
}

func (m *matcher) bound(n *arg, v reflect.Value, word string, fit, pos int, k func(int)) {
	m.push(word, fit)
	m.cur.binds = append(m.cur.binds, bind{n, v})
	k(pos + 1)
	m.cur.binds = m.cur.binds[:len(m.cur.binds)-1]
	m.pop()
}

func (m *matcher) push(word string, fit int) {
	m.cur.words = append(m.cur.words, word)
	m.cur.fits = append(m.cur.fits, fit)
}

func (m *matcher) pop() {
	m.cur.words = m.cur.words[:len(m.cur.words)-1]
	m.cur.fits = m.cur.fits[:len(m.cur.fits)-1]
}

// choose picks the best reading.
func (m *matcher) choose(line string) (*Match, error) {
	rs := m.readings
	if len(rs) == 0 {
		return nil, &Error{Col: len(line), Text: "unknown command"}
	}
	for i := range m.words {
		best := 0
		for _, r := range rs {
			best = max(best, r.fits[i])
		}
		kept := rs[:0:0]
		var names []string
		for _, r := range rs {
			if r.fits[i] == best {
				kept = append(kept, r)
				names = appendNew(names, r.words[i])
			}
		}
		rs = kept
		if best == fitShort && len(names) > 1 {
			return nil, &Error{Col: m.words[i].Start, Candidates: names,
				Text: "ambiguous: " + quoteWord(m.words[i].Text) + " may be " + orList(names)}
		}
	}
	var missing, whole []reading
	for _, r := range rs {
		switch {
		case !r.complete:
			missing = append(missing, r)
		case len(whole) == 0 || r.Stmt == whole[0].Stmt && r.Layer == whole[0].Layer:
			whole = append(whole, r)
		}
	}
	for i := range whole {
		if len(whole) > 1 && whole[i].namesExist(m.root, m.layers[whole[i].Layer].Within) {
			return whole[i].match(), nil
		}
	}
	if len(whole) > 0 {
		return whole[0].match(), nil
	}
	if r := truncated(missing); r != nil {
		return r.match(), nil
	}
	return nil, incomplete(line, missing)
}

// match turns a reading into a Match.
func (r *reading) match() *Match {
	r.Exact = !slices.Contains(r.fits, fitShort)
	return &r.Match
}

// namesExist reports whether all objects in the line exist. It decides between two word orders.
func (m *Match) namesExist(root, within any) bool {
	for _, b := range m.binds {
		if !b.arg.typ.Ref || b.arg.typ.Names == nil {
			continue
		}
		same := m.Stmt.table.sameName
		want := same(b.arg.print(b.value))
		if !slices.ContainsFunc(b.arg.typ.Names(root, within), func(name string) bool { return same(name) == want }) {
			return false
		}
	}
	return true
}

// truncated picks the reading of a shortened `no` line: all keys must be there, and other words may be left out if only one statement fits.
func truncated(rs []reading) *reading {
	var found *reading
	for i := range rs {
		r := &rs[i]
		if !r.Neg || len(r.words) < 2 || !r.hasKeys() {
			continue
		}
		if _, isWord := r.next.(*word); isWord && len(r.binds) == 0 && severalStmts(rs) {
			continue
		}
		if found == nil {
			found = r
		}
	}
	return found
}

func severalStmts(rs []reading) bool {
	for _, r := range rs {
		if r.Stmt != rs[0].Stmt {
			return true
		}
	}
	return false
}

// hasKeys reports whether the line names one element.
func (m *Match) hasKeys() bool {
	s := m.Stmt
	if s.kind != kindList {
		return true
	}
	for _, w := range m.flags {
		for _, k := range s.keyFlags {
			if k == w {
				return true
			}
		}
	}
	for _, k := range s.keys {
		if !m.has(k) && len(s.keyFlags) == 0 {
			return false
		}
		if m.has(k) && len(s.keyFlags) > 0 {
			return true
		}
	}
	return len(s.keyFlags) == 0
}

func (m *Match) has(a *arg) bool {
	for _, b := range m.binds {
		if b.arg == a || b.arg.name == a.name {
			return true
		}
	}
	return false
}

// Key returns the words that name the element, without properties, for prompts.
func (m *Match) Key() []string {
	var out []string
	for _, k := range m.Stmt.keys {
		for _, b := range m.binds {
			if b.arg == k || b.arg.name == k.name {
				out = append(out, k.print(b.value))
			}
		}
	}
	return out
}
