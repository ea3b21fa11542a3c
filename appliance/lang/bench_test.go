package lang

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/lang/check"
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
		l.Check(cfg, check.Env{})
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
func mappings() []string { return mappingsTo("") }

// mappingsTo is the table with other values.
func mappingsTo(prefix string) []string {
	lines := []string{"context cs SWITCH", "mapping-table called-e164 to called-e164 T"}
	for i := range many {
		lines = append(lines, fmt.Sprintf(`map \+4971%06d to %s%d`, i, prefix, i))
	}
	return lines
}

// pastes runs lines as the api does: as many together as may be, and what they leave alone.
func (c *console) pastes(lines ...string) string {
	const request = 500
	var out strings.Builder
	for len(lines) > 0 {
		ran, _ := c.lang.ExecBatch(context.Background(), c.box, &c.s, lines[:min(len(lines), request)])
		for _, r := range ran {
			out.Write(r.Text)
			c.s.Mode, c.last = r.Result.Mode, r.Result
		}
		if lines = lines[len(ran):]; len(ran) == 0 {
			out.WriteString(c.types(lines[0]))
			lines = lines[1:]
		}
	}
	return out.String()
}

// A paste at the console.
func BenchmarkPaste20000Mappings(b *testing.B) {
	l, lines := New(), mappings()
	b.ReportAllocs()
	for b.Loop() {
		c := configuringConsole(l)
		if out := c.pastes(lines...); out != "" {
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
		c.pastes(lines...)
	}
}

// The same keys with other values, each time.
func BenchmarkPaste20000MappingsChanged(b *testing.B) {
	l := New()
	c := configuringConsole(l)
	c.types(mappings()...)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		lines := mappingsTo(fmt.Sprint(n%9 + 1))
		c.types("end", "configure")
		if out := c.pastes(lines...); out != "" {
			b.Fatal(out)
		}
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
// worked is for how long this process has computed. It does not count what else a machine does.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestManyLinesStayFast(t *testing.T) {
	l := New()
	begin := worked(t)
	c := configuringConsole(l)
	c.pastes(mappings()...)
	first := worked(t) - begin
	if first > 20*time.Second {
		t.Errorf("pasting %d lines took %v", many, first)
	}
	begin = worked(t)
	c.types("end", "configure")
	c.pastes(mappingsTo("9")[:many/10]...)
	if d := worked(t) - begin; d > first {
		t.Errorf("pasting %d changed lines took %v, more than all lines took at first: %v", many/10, d, first)
	}
	begin = worked(t)
	if n := strings.Count(string(l.Print(c.box.cfg, false)), "\n"); n != many+3 {
		t.Errorf("%d lines printed", n)
	}
	if d := worked(t) - begin; d > 4*time.Second {
		t.Errorf("printing took %v", d)
	}
}
