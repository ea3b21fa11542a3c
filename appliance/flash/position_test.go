package flash

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// logOf makes a log of these files.
func logOf(t testing.TB, files map[string]string) *Log {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := OpenLog(LogOptions{Dir: dir, Suffix: ".jsonl", Perm: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// all reads a log in steps of so many lines.
func all(t testing.TB, l *Log, from Position, step int) string {
	t.Helper()
	var b strings.Builder
	for range 10_000 {
		list, next, _, err := l.From(from, step, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return b.String()
		}
		for _, e := range list {
			b.Write(e.Line)
			b.WriteByte(' ')
		}
		if next == from || list[len(list)-1].At.File != next.File && step == len(list) {
			t.Fatalf("from %v to %v with %d lines", from, next, len(list))
		}
		from = next
	}
	t.Fatal("it does not end")
	return ""
}

func TestReadingOnFromAPosition(t *testing.T) {
	long := strings.Repeat("x", LongestLine+10)
	files := map[string]string{"2026-11-21.jsonl": "1\n2\ntorn", "2026-11-22.jsonl": "3\n\n" + long + "\n4\n", "2026-11-22.2.jsonl": "", "2026-11-22.10.jsonl": "5\n6"}
	for _, step := range []int{1, 2, 3, 100} {
		if got := all(t, logOf(t, files), Position{}, step); got != "1 2 3  4 5 " {
			t.Errorf("steps of %d: %q", step, got)
		}
	}
	l := logOf(t, files)
	for _, x := range []struct {
		from Position
		want string
		gone bool
	}{
		{Position{"2026-11-21.jsonl", 2}, "2", false},
		{Position{"2026-11-20.jsonl", 700}, "1", true},
		{Position{"2026-11-21.9.jsonl", 700}, "3", true},
		{Position{"2026-11-22.10.jsonl", 2}, "", false},
		{Position{"2026-11-23.jsonl", 2}, "", true},
		{Position{"../../etc/passwd", 2}, "1", false},
	} {
		list, _, gone, err := l.From(x.from, 1, 1<<20)
		got := ""
		if len(list) > 0 {
			got = string(list[0].Line)
		}
		if err != nil || got != x.want || gone != x.gone {
			t.Errorf("from %v: %q, gone %v, %v", x.from, got, gone, err)
		}
	}
	if list, _, _, _ := l.From(Position{}, 100, 2); len(list) != 2 {
		t.Errorf("%d lines with a limit of two octets", len(list))
	}
	// What was torn when it was read is whole later.
	list, next, _, _ := l.From(Position{"2026-11-22.10.jsonl", 2}, 9, 1<<20)
	if err := os.WriteFile(filepath.Join(l.o.Dir, "2026-11-22.10.jsonl"), []byte("5\n67\n8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := all(t, l, next, 9); len(list) != 0 || got != "67 8 " {
		t.Errorf("then %q", got)
	}
}

func TestPositionsAndWhatIsBehindThem(t *testing.T) {
	l := logOf(t, map[string]string{"2026-11-21.jsonl": "1\n2\n", "2026-11-22.jsonl": "345\n"})
	if end, err := l.End(); err != nil || end != (Position{"2026-11-22.jsonl", 4}) {
		t.Errorf("end %v, %v", end, err)
	}
	for p, want := range map[Position]int64{{}: 8, {"2026-11-21.jsonl", 2}: 6, {"2026-11-22.jsonl", 4}: 0, {"2026-11-22.jsonl", 999}: 0, {"2026-11-20.jsonl", 1}: 8} {
		if got, err := l.Behind(p); err != nil || got != want {
			t.Errorf("%d octets behind %v, %v", got, p, err)
		}
	}
	// A power cut took the end of the file: what is written there now has not been read.
	for p, want := range map[Position]Position{{"2026-11-22.jsonl", 99}: {"2026-11-22.jsonl", 4}, {"2026-11-22.jsonl", -4}: {"2026-11-22.jsonl", 0}, {"2026-11-23.jsonl", 9}: {"2026-11-23.jsonl", 9}, {}: {}} {
		if got := l.Settle(p); got != want {
			t.Errorf("%v settles at %v", p, got)
		}
	}
}

func TestDaysExpireAndAllIsErased(t *testing.T) {
	l := logOf(t, map[string]string{"2026-11-21.jsonl": "1\n", "2026-11-22.jsonl": "2\n", "2026-11-22.2.jsonl": "3\n", "notes": "stay"})
	if err := l.Append([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Expire("2026-11-22"); n != 1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
	if lines, _ := l.Last(9); string(bytes.Join(lines, []byte(" "))) != "2 3 new" {
		t.Errorf("left: %q", lines)
	}
	if n, err := l.Erase(); n != 3 || err != nil {
		t.Errorf("%d erased, %v", n, err)
	}
	if err := l.Append([]byte("newer")); err != nil {
		t.Errorf("after Erase: %v", err)
	}
	if lines, _ := l.Last(9); len(lines) != 1 || string(lines[0]) != "newer" {
		t.Errorf("left: %q", lines)
	}
	if _, err := os.Stat(filepath.Join(l.o.Dir, "notes")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(l.o.Dir, time.Now().UTC().Format(time.DateOnly)+".jsonl")); err != nil {
		t.Error(err)
	}
}

// FuzzLogFrom reads files with any contents from any position: it ends, positions only go forward, and every line that has an end and is
// behind the position is read once.
func FuzzLogFrom(f *testing.F) {
	f.Add([]byte("1\n2\ntorn"), []byte("3\n"), int64(0), 2)
	f.Add([]byte("\n\n"), []byte("\x00\x00"), int64(1), 1)
	f.Add([]byte(nil), []byte(nil), int64(-7), 3)
	f.Fuzz(func(t *testing.T, first, second []byte, offset int64, step int) {
		l := logOf(t, map[string]string{"2026-11-21.jsonl": string(first), "2026-11-22.jsonl": string(second)})
		p := l.Settle(Position{"2026-11-21.jsonl", offset})
		rest := first[min(p.Offset, int64(len(first))):]
		var want []string
		for _, text := range [][]byte{rest, second} {
			lines := strings.Split(string(text), "\n")
			for _, line := range lines[:len(lines)-1] {
				if len(line) < LongestLine {
					want = append(want, line+" ")
				}
			}
		}
		if got := all(t, l, p, max(1, step%8)); got != strings.Join(want, "") {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}
