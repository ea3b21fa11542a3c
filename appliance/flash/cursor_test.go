package flash

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// take reads up to so many lines with a cursor, and advances over them.
func take(t *testing.T, c *Cursor, lines int) string {
	t.Helper()
	list, next, _, err := c.Next(lines, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(next)
	var b strings.Builder
	for _, e := range list {
		b.Write(append(e.Line, ' '))
	}
	return b.String()
}

func add(t *testing.T, l *Log, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if err := l.Append([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestACursorGoesOnWhereItWasSaved(t *testing.T) {
	l := logOf(t, nil)
	file := filepath.Join(t.TempDir(), "read")
	open := func() *Cursor {
		c := NewCursor(file)
		c.Open(l)
		return c
	}
	c := NewCursor(file)
	if _, _, _, err := c.Next(1, 1); !errors.Is(err, ErrNotOpen) || c.Begun() {
		t.Errorf("read before it was opened: %v", err)
	}
	add(t, l, "past")
	c.Open(l)
	want(t, "what was there before", take(t, c, 9), "")
	add(t, l, "1", "2", "3")
	want(t, "not advanced", take(t, c, 2), "1 2 ")
	if err := c.Save(); err != nil || c.Unsaved() {
		t.Fatal(err)
	}
	want(t, "unsaved", take(t, c, 1), "3 ")
	want(t, "after kill -9", take(t, open(), 9), "3 ")
	if err := c.SaveEvery(time.Hour); err != nil || !c.Unsaved() {
		t.Errorf("saved too soon, %v", err)
	}
	if err := c.SaveEvery(0); err != nil || c.Unsaved() {
		t.Errorf("not saved, %v", err)
	}
	want(t, "after the end", take(t, open(), 9), "")
	if err := c.Stop(); err != nil || c.Begun() {
		t.Errorf("not stopped, %v", err)
	}
	add(t, l, "4")
	want(t, "after a stop", take(t, c, 9), "")
	add(t, l, "5")
	want(t, "begun anew", take(t, c, 9), "5 ")
	c.Begin(Position{})
	want(t, "begun already", take(t, c, 9), "")
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	c.Begin(Position{})
	want(t, "begun at the beginning", take(t, c, 9), "past 1 2 3 4 5 ")
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, "a damaged file", take(t, open(), 9), "past 1 2 3 4 5 ")
}

func TestACursorAndAnErasure(t *testing.T) {
	l := logOf(t, map[string]string{"2026-11-21.jsonl": "1\n2\n"})
	c := NewCursor(filepath.Join(t.TempDir(), "read"))
	if err := os.WriteFile(c.file, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Open(l)
	want(t, "before", take(t, c, 1), "1 ")
	_, next, _, err := c.Next(1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	c.Forget("")
	if _, err := l.Erase(); err != nil {
		t.Fatal(err)
	}
	c.Advance(next) // over what is no more: it has no effect
	add(t, l, "3")
	list, _, gone, err := c.Next(9, 1<<20)
	if err != nil || gone || len(list) != 1 || string(list[0].Line) != "3" {
		t.Errorf("%v, gone %v, %v", list, gone, err)
	}
}

func TestACursorWithALimit(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for limit, rest := range map[int64]string{
		5014: "1 2 3 4 5 long 6 ", 5013: "1 2 3 4 5 long 6 ", 5012: "2 3 4 5 long 6 ", 5011: "2 3 4 5 long 6 ", 5010: "3 4 5 long 6 ",
		5008: "4 5 long 6 ", 5007: "4 5 long 6 ", 5006: "5 long 6 ", 5004: "long 6 ", 5003: "long 6 ", 5002: "6 ", 3: "6 ", 2: "6 ", 1: "", 0: "",
	} {
		l := logOf(t, map[string]string{"2026-11-21.jsonl": "1\n2\n3\n", "2026-11-22.jsonl": "4\n5\n" + long + "\n6\n"})
		c := NewCursor(filepath.Join(t.TempDir(), "read"))
		if err := os.WriteFile(c.file, []byte(`{}`), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Open(l)
		behind := c.Behind()
		over, err := c.Limit(limit)
		if err != nil || over != (behind > limit) || c.Behind() > limit {
			t.Errorf("limit %d: over %v, %d of %d behind, %v", limit, over, c.Behind(), behind, err)
		}
		want(t, fmt.Sprint("limit ", limit), strings.ReplaceAll(take(t, c, 99), long, "long"), rest)
	}
}

// FuzzReadPosition reads any file of a position: it is one, or the beginning.
func FuzzReadPosition(f *testing.F) {
	f.Add([]byte(`{"file":"2026-11-29.jsonl","offset":7}`))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		at := readPosition(text)
		again, err := json.Marshal(at)
		if err != nil || readPosition(again) != at {
			t.Errorf("%v is written as %s", at, again)
		}
	})
}
