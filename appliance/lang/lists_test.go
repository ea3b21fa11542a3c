package lang

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"viaduct/appliance/config"
)

// listModel is a list of lines as a plain slice: what the editor's indexes and shared arrays must come to.
type listModel struct {
	table   string // of mapping, "" for the list of identities
	entries []entryModel
}

type entryModel struct{ key, value string }

func (m *listModel) set(key, value string) {
	i := slices.IndexFunc(m.entries, func(e entryModel) bool { return e.key == key })
	if i < 0 {
		m.entries = append(m.entries, entryModel{key, value})
		return
	}
	m.entries[i].value = value
}

func (m *listModel) remove(key string) {
	m.entries = slices.DeleteFunc(slices.Clone(m.entries), func(e entryModel) bool { return e.key == key })
}

// edit makes a random change, in the model and as lines; size is about how long the list shall become.
func (m *listModel) edit(r *rand.Rand, size int) []string {
	fresh := func() string { return fmt.Sprint(1000 + r.IntN(2*size+1)) }
	key := fresh()
	if len(m.entries) > 0 && r.IntN(3) > 0 {
		key = m.entries[r.IntN(len(m.entries))].key
	}
	value := fmt.Sprint(r.IntN(1000))
	switch n := r.IntN(10); {
	case n == 0 || len(m.entries) > size && n < 5:
		m.remove(key)
		return []string{"no map " + key}
	case n == 1: // a move to the end
		m.remove(key)
		m.set(key, value)
		return []string{"no map " + key, "map " + key + " to " + value}
	case len(m.entries) < size/2:
		key = fresh()
	}
	m.set(key, value)
	return []string{"map " + key + " to " + value}
}

func (m *listModel) lines() []string {
	var lines []string
	for _, e := range m.entries {
		lines = append(lines, "map "+e.key+" to "+e.value)
	}
	return lines
}

// mapLines are the lines of a mapping table, "" when there is none.
func mapLines(cfg *config.Config, table string) []string {
	var lines []string
	for _, t := range cfg.CS[0].MappingTables {
		if t.Name == table {
			for _, m := range t.Maps {
				lines = append(lines, "map "+m.Key.String()+" to "+m.To)
			}
		}
	}
	return lines
}

// Several sessions edit lists of all sizes in turn, alone and together, while startup-configs are read and memory is collected and
// used again. No list differs from a plain slice at any time.
func TestEditedListsAreWhatAPlainSliceWouldBe(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := New()
		shared := newBox()
		sizes := []int{0, 1, 5, 31, 32, 33, 40, 64, 100, 200}
		models := make([]*listModel, len(sizes))
		consoles := make([]*console, len(sizes))
		for i := range sizes {
			name := fmt.Sprintf("T%d", i)
			models[i] = &listModel{table: name}
			consoles[i] = &console{lang: l, box: shared, s: Session{Class: config.Superuser}}
			consoles[i].types("enable", "configure", "context cs S", "mapping-table e164 to e164 "+name)
		}
		for range 800 {
			i := r.IntN(len(sizes))
			m, c := models[i], consoles[i]
			var lines []string
			for range 1 + r.IntN(3) {
				lines = append(lines, m.edit(r, sizes[i])...)
			}
			if r.IntN(2) == 0 {
				c.types(lines...)
			} else if ran, err := l.ExecBatch(context.Background(), shared, &c.s, lines); err != nil {
				t.Fatal(err)
			} else if len(ran) < len(lines) {
				c.types(lines[len(ran):]...)
			}
			switch r.IntN(8) {
			case 0:
				runtime.GC()
			case 1:
				l.Parse(l.Print(shared.cfg, false)) // another reader, with the same editor
			}
			for _, m := range models {
				if want, got := m.lines(), mapLines(shared.cfg, m.table); !slices.Equal(want, got) {
					diff := cmp.Diff(want, got)
					t.Fatalf("seed %d, table %s after %q (-slice +list):\n%s", seed, m.table, lines, diff)
				}
			}
		}
	}
}

// A file that edits its own lists is read as typed lines are.
func TestListsOfAFileAreWhatAPlainSliceWouldBe(t *testing.T) {
	l := New()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		a, b := &listModel{table: "A"}, &listModel{table: "B"}
		text := "context cs S\n"
		for range 300 {
			m := []*listModel{a, b}[r.IntN(2)]
			text += "mapping-table e164 to e164 " + m.table + "\n" + strings.Join(m.edit(r, int(seed)*5), "\n") + "\n"
		}
		if seed%4 == 0 {
			runtime.GC()
		}
		cfg, problems := l.Parse([]byte(text))
		if len(problems) > 0 {
			t.Fatal(problemLines(problems))
		}
		for _, m := range []*listModel{a, b} {
			if diff := cmp.Diff(m.lines(), mapLines(cfg, m.table)); diff != "" {
				t.Fatalf("seed %d, table %s (-slice +list):\n%s", seed, m.table, diff)
			}
		}
	}
}

// Rules stand in order of their index, however they came.
func TestListsByIndexAreWhatASortedSliceWouldBe(t *testing.T) {
	l := New()
	c := configuringConsole(l)
	c.types("profile acl A")
	want := map[int]string{}
	r := rand.New(rand.NewPCG(3, 3))
	for range 800 {
		n := 1 + r.IntN(200)
		line := fmt.Sprintf("rule %d permit udp any any port %d", n, 1+r.IntN(60000))
		if r.IntN(3) == 0 {
			delete(want, n)
			line = fmt.Sprintf("no rule %d", n)
		} else {
			want[n] = line
		}
		c.types(line)
		if r.IntN(20) == 0 {
			runtime.GC()
		}
		var list, got []string
		for i := range 201 {
			if want[i] != "" {
				list = append(list, want[i])
			}
		}
		for line := range strings.Lines(string(l.Print(c.box.cfg, false))) {
			if strings.HasPrefix(line, "  rule ") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if !slices.Equal(list, got) {
			diff := cmp.Diff(list, got)
			t.Fatalf("after %q (-slice +list):\n%s", line, diff)
		}
	}
}
