package rescue

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/console/edit"
)

func TestTheEndOfTheLogSaysWhy(t *testing.T) {
	dir := t.TempDir()
	r := New(filepath.Join(dir, "sbcd.sock"))
	if why := r.Why(); why != "" {
		t.Errorf("without a log: %q", why)
	}
	var log bytes.Buffer
	for n := range 2000 {
		fmt.Fprintf(&log, "line %d\n", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "sbcd.log"), log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(r.Why(), "\n")
	if len(lines) != 1+tailLines+1 || lines[1] != "  line 1990" || lines[tailLines] != "  line 1999" || lines[tailLines+1] != "" {
		t.Errorf("%q", lines)
	}
	if err := os.WriteFile(filepath.Join(dir, "sbcd.log"), bytes.Repeat([]byte("x"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if why := r.Why(); len(why) > 9<<10 {
		t.Errorf("%d octets of a log without lines", len(why))
	}
}

// Each order is in the menu, by its key and by its word, and stands in the file as sbcd reads it.
func TestOrders(t *testing.T) {
	for _, c := range []struct{ key, word string }{{"r", "restart"}, {"p", "previous"}, {"f", "factory"}} {
		for typed, want := range map[string]string{c.key + "y": c.word, c.key + "n": "", "x": "", "": ""} {
			synctest.Test(t, func(t *testing.T) {
				r := New(filepath.Join(t.TempDir(), "sbcd.sock"))
				if !strings.Contains(r.Menu(false), "  "+c.key+" ") || !strings.Contains(r.Menu(true), "  "+c.word+" ") {
					t.Errorf("%s is not in the menu: %s%s", c.word, r.Menu(false), r.Menu(true))
				}
				var shown bytes.Buffer
				scr := edit.NewScreen(&shown)
				scr.Keys.Pump(t.Context(), strings.NewReader(typed))
				begin := time.Now()
				r.Pressed(t.Context(), scr, time.Minute)
				text, _ := os.ReadFile(r.File())
				if got := strings.TrimSuffix(string(text), "\n"); got != want {
					t.Errorf("%q: ordered %q, want %q; shown %q", typed, got, want, shown.String())
				}
				if typed == "" && time.Since(begin) != time.Minute {
					t.Errorf("a terminal that has ended: back after %v", time.Since(begin)) // and the login would begin again at once
				}
			})
		}
		r := New(filepath.Join(t.TempDir(), "sbcd.sock"))
		scr := edit.NewScreen(&bytes.Buffer{})
		for line, want := range map[string]bool{"  " + c.word + " ": true, c.word + " now": false, c.key: false, "": false} {
			os.Remove(r.File())
			text := ""
			if got := r.Typed(scr, line); got {
				all, _ := os.ReadFile(r.File())
				text = string(all)
			}
			if (text == c.word+"\n") != want {
				t.Errorf("%q: ordered %q", line, text)
			}
		}
	}
}

func TestAnOrderThatCannotBeLeft(t *testing.T) {
	var shown bytes.Buffer
	scr := edit.NewScreen(&shown)
	if r := New(filepath.Join(t.TempDir(), "none", "sbcd.sock")); !r.Typed(scr, "restart") || !strings.Contains(shown.String(), "% order for sbcd: ") {
		t.Errorf("%q", shown.String())
	}
}
