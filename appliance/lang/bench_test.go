package lang

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func BenchmarkParseReference(b *testing.B) {
	l, text := New(), reference(b, "starface-teams.cfg")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := l.Parse(text); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

func BenchmarkCheckReference(b *testing.B) {
	l := New()
	cfg, _ := l.Parse(reference(b, "starface-teams.cfg"))
	b.ReportAllocs()
	for b.Loop() {
		l.Check(cfg, Env{})
	}
}

func BenchmarkPrintReference(b *testing.B) {
	l := New()
	cfg, _ := l.Parse(reference(b, "starface-teams.cfg"))
	b.ReportAllocs()
	for b.Loop() {
		l.Print(cfg, false)
	}
}

const many = 20000

// mappings is a mapping table of many lines.
func mappings() []string {
	lines := []string{"context cs SWITCH", "mapping-table called-e164 to called-e164 T"}
	for i := range many {
		lines = append(lines, fmt.Sprintf(`map \+4971%06d to %d`, i, i))
	}
	return lines
}

// A paste at the console: each line is published.
func BenchmarkPaste20000Mappings(b *testing.B) {
	l, lines := New(), mappings()
	b.ReportAllocs()
	for b.Loop() {
		c := configuringConsole(l)
		if out := c.types(lines...); out != "" {
			b.Fatal(out)
		}
	}
}

// The same paste again changes nothing, and is not slower.
func BenchmarkPaste20000MappingsAgain(b *testing.B) {
	l, lines := New(), mappings()
	c := configuringConsole(l)
	c.types(lines...)
	b.ReportAllocs()
	for b.Loop() {
		c.types("end", "configure")
		c.types(lines...)
	}
}

func BenchmarkParse20000Mappings(b *testing.B) {
	l, text := New(), []byte(strings.Join(mappings(), "\n"))
	b.ReportAllocs()
	for b.Loop() {
		l.Parse(text)
	}
}

func BenchmarkPrint20000Mappings(b *testing.B) {
	l := New()
	cfg, _ := l.Parse([]byte(strings.Join(mappings(), "\n")))
	b.ReportAllocs()
	for b.Loop() {
		l.Print(cfg, false)
	}
}

// The figures that a paste and a print of many lines must keep on the slowest machine that runs the tests.
func TestManyLinesStayFast(t *testing.T) {
	l := New()
	begin := time.Now()
	c := configuringConsole(l)
	c.types(mappings()...)
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("pasting %d lines took %v", many, d)
	}
	begin = time.Now()
	if n := strings.Count(string(l.Print(c.box.cfg, false)), "\n"); n != many+3 {
		t.Errorf("%d lines printed", n)
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("printing took %v", d)
	}
}
