package edit

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"viaduct/appliance/pasted"
)

// typed feeds pieces to a keyboard, one after the other, and returns the lines that x/term makes of them, with what the
// callback was asked.
func typed(t *testing.T, gap time.Duration, pieces ...string) (lines []string, states []Line, keys string) {
	return typedWhile(t, 0, gap, pieces...)
}

// typedWhile does so to a session that reads nothing for a while, as one does that runs a command.
func typedWhile(t *testing.T, busy, gap time.Duration, pieces ...string) (lines []string, states []Line, keys string) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		k := newKeyboard()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go k.Pump(ctx, r)
		go func() {
			for _, p := range pieces {
				io.WriteString(w, p)
				time.Sleep(gap)
			}
			w.Close()
		}()
		x := term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{k, io.Discard}, "")
		x.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
			keys += string(key)
			return line, pos, key != '?'
		}
		time.Sleep(busy)
		for {
			for busy > 0 {
				pasted := k.Lines(500, 256<<10) // as a session does
				if len(pasted) == 0 {
					break
				}
				lines, states = append(lines, pasted...), append(states, make([]Line, len(pasted))...)
			}
			line, err := x.ReadLine()
			if err != nil && err != term.ErrPasteIndicator {
				return
			}
			lines, states = append(lines, line), append(states, k.lineEnd())
		}
	})
	return lines, states, keys
}

func TestKeys(t *testing.T) {
	const slow, fast = 60 * time.Millisecond, time.Millisecond
	for _, c := range []struct {
		name   string
		gap    time.Duration
		pieces []string
		lines  string // joined by |
		keys   string // that asked for help
		mark   Mark   // of the first line
	}{
		{"typed", slow, strings.Split("show\r", ""), "show", "", Entered},
		{"help", slow, strings.Split("sh?ow\r", ""), "sh?ow", "?", Entered},
		{"help at the end of what came at once", slow, []string{"show ?", "\r"}, "show ?", "?", Entered},
		{"a paste keeps its ?", fast, []string{"map a?b?\rmap c?\r"}, "map a?b?|map c?", "", Entered},
		{"a paste in single bytes keeps its ?", fast, strings.Split("map a?b?\rmap c?\r", ""), "map a?b?|map c?", "", Entered},
		{"a bracketed paste keeps a ? before a pause", slow, []string{"\x1b[200~map a?", "b\r\x1b[201~"}, "map a?b", "", Entered},
		{"Ctrl-V", slow, strings.Split("a\x16?\r", ""), "a?", "", Entered},
		{"Tab", slow, strings.Split("en\t\r", ""), "en", "\t", Entered},
		{"Tab in a paste is a blank", fast, []string{"a\tb\r"}, "a b", "", Entered},
		{"CRLF in two reads", slow, []string{"a\r", "\nb\r\n", "c\n", "\r"}, "a|b|c|", "", Entered},
		{"Ctrl-C", slow, strings.Split("ab\x03c\r", ""), "ab^C|c", "", Abandoned},
		{"Ctrl-Z", slow, strings.Split("ab\x1ac\r", ""), "ab^Z|c", "", ToTop},
		{"arrows", slow, []string{"a", "b", "\x1b[D", "x", "\x1bOC", "y", "\r"}, "axby", "", Entered},
		{"Home and End of any terminal", slow, []string{"b", "\x1b[1~", "a", "\x1b[4~", "c", "\x1bOH", "0", "\r"}, "0abc", "", Entered},
		{"a torn arrow", fast, []string{"a", "b", "\x1b", "[", "D", "x", "\r"}, "axb", "", Entered},
		{"Escape alone", slow, []string{"a", "\x1b", "", "b", "\r"}, "ab", "", Entered},
		{"unknown sequences", slow, []string{"a\x1b[15~\x1b[?25hb\r"}, "ab", "", Entered},
		{"torn characters", fast, []string{"\xc3", "\xa4\xe2\x82", "\xac", "\r"}, "ä€", "", Entered},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, states, keys := typed(t, c.gap, c.pieces...)
			if got := strings.Join(lines, "|"); got != c.lines {
				t.Errorf("lines %q, want %q", got, c.lines)
			}
			if keys != c.keys {
				t.Errorf("asked about %q, want %q", keys, c.keys)
			}
			if states[0].Mark != c.mark || states[0].Bad != "" {
				t.Errorf("first line ended as %+v, want %v", states[0], c.mark)
			}
		})
	}
}

// What was typed while a command ran means the same as what is typed afterwards.
func TestKeysTypedAhead(t *testing.T) {
	const slow, fast = 60 * time.Millisecond, time.Millisecond
	for _, c := range []struct {
		name   string
		gap    time.Duration
		pieces []string
		lines  string // joined by |
		keys   string // that asked for help
	}{
		{"Tab and Enter", slow, []string{"e", "n", "\t", "\r"}, "en", "\t"},
		{"Tab in the second line", slow, []string{"end\r", "conf", "\t", "\r"}, "end|conf", "\t"},
		{"help", slow, []string{"show ", "?", "ver\r"}, "show ?ver", "?"},
		{"a paste keeps its Tab and its ?", fast, []string{"map a?b\tc\r"}, "map a?b c", ""},
		{"a paste that stalls behind one does so too", slow, []string{"map a?", "b\t", "c\r"}, "map a?b c", ""},
		{"a paste in single bytes does so too", fast, strings.Split("map a?b\tc\r", ""), "map a?b c", ""},
		{"a bracketed paste does so whenever it comes", slow, []string{"\x1b[200~map a?", "b\t", "c\r\x1b[201~"}, "map a?b c", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines, _, keys := typedWhile(t, time.Second, c.gap, c.pieces...)
			if got := strings.Join(lines, "|"); got != c.lines {
				t.Errorf("lines %q, want %q", got, c.lines)
			}
			if keys != c.keys {
				t.Errorf("asked about %q, want %q", keys, c.keys)
			}
		})
	}
}

// A busy machine reads Enter and the Ctrl-C behind it together, before the command runs.
func TestInterruptThatCameBeforeTheCommandRan(t *testing.T) {
	for in, want := range map[string]bool{"\x03": true, "\n\x03show clock\r": true, "": false, "show clock\r\x03": false} {
		k := newKeyboard()
		k.skipLF = true // the Enter of the command was a CR
		k.put(t.Context(), []byte(in), nil)
		interrupted := 0
		k.OnInterrupt(func() { interrupted++ })
		if got := interrupted == 1; got != want || interrupted > 1 {
			t.Errorf("%q: interrupted %d times, want %v", in, interrupted, want)
		}
		if k.OnInterrupt(nil); want && strings.Contains(string(k.buf), "\x03") {
			t.Errorf("%q: Ctrl-C is still a key: %q", in, k.buf)
		}
	}
}

func TestKeysThatAreNoText(t *testing.T) {
	for in, want := range map[string]string{
		"a\xff\r":                                  "byte 0xff at column 2 is not text",
		"a\x01\x00b\x07\r":                         "byte 0x07 at column 3 is not text",
		strings.Repeat("ä", 1<<17) + "\r":          "the line has 262144 bytes, the limit is 65536",
		strings.Repeat("a", pasted.MaxLine) + "\r": "",
	} {
		lines, states, _ := typed(t, time.Millisecond, in)
		if len(states) != 1 || states[0].Bad != want {
			t.Errorf("%.20q: %+v, want %q", in, states, want)
		}
		if want == "" && len(lines[0]) != len(in)-1 {
			t.Errorf("%.20q gave a line of %d bytes", in, len(lines[0]))
		}
	}
}

func TestRandomBytesEndAndKeepTheKeyboard(t *testing.T) {
	rnd := rand.NewChaCha8([32]byte{7})
	data := make([]byte, 50000)
	rnd.Read(data)
	lines, _, _ := typed(t, time.Millisecond, string(data), "\r", "\x15", "still here\r")
	if len(lines) == 0 || lines[len(lines)-1] != "still here" {
		t.Errorf("%d lines; the last one: %q", len(lines), lines[max(0, len(lines)-1):])
	}
	for _, l := range lines {
		if !utf8.ValidString(l) {
			t.Errorf("not text: %q", l)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("show ?\r\x1b[A\x1b[200~a?\x1b[201~\r\xff\x16\x03")
	f.Fuzz(func(t *testing.T, in string) {
		lines, _, _ := typed(t, time.Millisecond, in+"\x1b\x1b[201~\r\x15", "still here\r")
		if len(lines) == 0 || !strings.HasSuffix(lines[len(lines)-1], "still here") {
			t.Errorf("lines %q", lines)
		}
	})
}
