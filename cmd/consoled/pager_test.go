package main

import (
	"slices"
	"strings"
	"testing"
)

// paging is somebody who reads a hundred lines on a screen of 24 rows of 80 columns.
func paging(t *testing.T) (*toy, *user) {
	t.Helper()
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	u, _ := stdioTTY(t, socket)
	u.sees("box>")
	u.types("show lines 100\r")
	u.sees("line 23\r\n--More--")
	return box, u
}

// TestEnoughIsEnough: a command whose reader has seen enough is not run again, and no key is left on the next line.
func TestEnoughIsEnough(t *testing.T) {
	for name, key := range map[string]string{"q": "q", "Q": "Q", "Ctrl-C": "\x03", "Ctrl-D": "\x04", "Ctrl-Z": "\x1a"} {
		t.Run(name, func(t *testing.T) {
			box, u := paging(t)
			u.types(key)
			if shown := u.sees("box>"); strings.Contains(shown, "line") {
				t.Errorf("shown after it: %q", shown)
			}
			u.types("show version\r")
			if shown := u.sees("toy of"); shown != "show version\r\n" {
				t.Errorf("between the prompt and the answer: %q", shown)
			}
			if got := box.lines(); !slices.Equal(got, []string{"box>show lines 100", "box>show version"}) {
				t.Errorf("ran %q", got)
			}
		})
	}
}

func TestKeysOfThePager(t *testing.T) {
	for _, c := range []struct{ name, key, sees string }{
		{"space", " ", "line 24\r\n*line 46\r\n--More--"},
		{"f", "f", "line 46\r\n--More--"},
		{"PgDn", "\x1b[6~", "line 46\r\n--More--"},
		{"right", "\x1b[C", "line 46\r\n--More--"},
		{"Enter", "\r", "line 24\r\n--More--"},
		{"down", "\x1b[B", "line 24\r\n--More--"},
		{"down of an application's keypad", "\x1bOB", "line 24\r\n--More--"},
		{"b", " b", "line 46\r\n--More--*line 1\r\n*line 23\r\n--More--"},
		{"PgUp", " \x1b[5~", "line 46\r\n--More--*line 1\r\n*line 23\r\n--More--"},
		{"up", " \x1b[A", "line 46\r\n--More--*line 23\r\n*line 45\r\n--More--"},
		{"up at the top", "\x1b[A", "line 1\r\n*line 23\r\n--More--"},
		{"g", "  g", "line 69\r\n--More--*line 1\r\n*line 23\r\n--More--"},
		{"G", "G", "line 78\r\n*line 100\r\nbox>"},
		{"End", "\x1b[F", "line 78\r\n*line 100\r\nbox>"},
		{"search", "/NE 55\r", "line 55\r\n*line 77\r\n--More--"},
		{"search after a change of mind", "/NE x\x7f55\r", "line 55\r\n*--More--"},
		{"search for what is not there", "/nothing\r", "% not found: nothing\r\n--More--"},
		{"search abandoned", "/ne 55\x03 ", "line 24\r\n*line 46\r\n--More--"},
		{"h", "h", "--More--*b: back"},
		{"a key that means nothing", "ü\x1b[15~ ", "line 24\r\n*line 46\r\n--More--"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, u := paging(t)
			u.types(c.key)
			for text := range strings.SplitSeq(c.sees, "*") {
				u.sees(text)
			}
			if !strings.HasSuffix(c.sees, "box>") {
				u.types("q")
				u.sees("box>")
			}
			u.types("show version\r")
			u.sees("show version\r\ntoy of") // nothing of a key was left on the line
		})
	}
}

// TestNewsAreNotPaged: nobody waits for a page of what comes as it happens.
func TestNewsAreNotPaged(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	u, _ := stdioTTY(t, socket)
	u.sees("box>")
	u.types("follow\r")
	if shown := u.sees("news 100\r\n"); strings.Contains(shown, "More") {
		t.Errorf("paged: %q", shown)
	}
	u.types("\x03")
	u.sees("^C\r\nbox>")
}

func TestHelpIsPaged(t *testing.T) {
	box, socket := newToy(), socketPath(t)
	box.serve(t, socket)
	u, _ := stdioTTY(t, socket)
	u.sees("box>")
	u.types("many ?")
	if shown := u.sees("--More--"); strings.Count(shown, "\n") > 24 || !strings.Contains(shown, "section 0:\r\n  word1   One of many") {
		t.Errorf("the first page: %q", shown)
	}
	u.types(" ")
	u.sees("section 1:\r\n  word21  One of many")
	u.sees("word40")
	u.sees("box>many ")
	u.types("?")
	u.sees("--More--")
	u.types("q")
	u.sees("box>many ")
	u.types("\x03")
	u.sees("^C\r\nbox>")
	if got := box.lines(); len(got) > 0 {
		t.Errorf("ran %q", got)
	}
}
