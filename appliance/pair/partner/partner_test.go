package partner

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheOtherBoxIsRememberedFor30Days(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pair", "other")
	open := func() *Book { return Open(file, slog.New(slog.DiscardHandler)) }
	seen := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	b := open()
	if b.Serial("key", seen) != "" {
		t.Error("a box is known that was never seen")
	}
	if _, err := os.Stat(filepath.Dir(file)); err == nil {
		t.Error("a file without anything to keep")
	}
	b.Saw("key", "00A0BA000002", seen)
	for _, x := range []struct {
		key   string
		after time.Duration
		want  string
	}{
		{"key", 0, "00A0BA000002"}, {"key", Lasts, "00A0BA000002"}, {"key", Lasts + time.Second, ""}, {"another", 0, ""}, {"", 0, ""},
	} {
		for _, b := range []*Book{b, open()} {
			if got := b.Serial(x.key, seen.Add(x.after)); got != x.want {
				t.Errorf("key %q after %v: %q, want %q", x.key, x.after, got, x.want)
			}
		}
	}
}

func TestItIsWrittenOnceAnHourAndWithAnotherBox(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other")
	b := Open(file, slog.New(slog.DiscardHandler))
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	text := func() string {
		x, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(x)
	}
	b.Saw("key", "1", at)
	first := text()
	b.Saw("key", "1", at.Add(every-time.Second))
	if text() != first {
		t.Error("it is written too often")
	}
	b.Saw("key", "1", at.Add(every))
	if text() == first {
		t.Error("it is not written after an hour")
	}
	b.Saw("key", "2", at.Add(every))
	if !strings.Contains(text(), `"serial":"2"`) {
		t.Errorf("another box: %s", text())
	}
}

func TestADamagedFileIsNobody(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other")
	for _, text := range []string{"", "{", strings.Repeat(" ", most) + `{"key":"key","serial":"1","seen":"2026-11-30T12:00:00Z"}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Open(file, slog.New(slog.DiscardHandler)).Serial("key", time.Now()); got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
}
