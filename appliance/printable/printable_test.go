package printable

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestForeignTextIsShownNotObeyed(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "+49301234567", "+49301234567"},
		{"letters", "Jürgen Groß 日本 😀", "Jürgen Groß 日本 😀"},
		{"a backslash stays", `\+4930`, `\+4930`},
		{"escape sequence", "49\x1b[2J\x1b]0;x\x07", `49\x1b[2J\x1b]0;x\x07`},
		{"C1 control sequence introducer", "a\u009b31mb", `a\u009b31mb`},
		{"C1 as a raw octet", "a\x9b31mb", `a\x9b31mb`},
		{"line ends", "sbc\n  fix: reload\r\nx", `sbc\x0a  fix: reload\x0d\x0ax`},
		{"next line, line and paragraph separator", "a\u0085b\u2028c\u2029d", `a\u0085b\u2028c\u2029d`},
		{"other spaces of one line", "a\vb\fc\td\u00a0e", `a\x0bb\x0cc\x09d\u00a0e`},
		{"NUL and DEL", "a\x00b\x7f", `a\x00b\x7f`},
		{"bidirectional marks", "a\u202eb\u2066c\u200fd\u061ce", `a\u202eb\u2066c\u200fd\u061ce`},
		{"invisible", "a\u200bb\ufeffc\u00add\u2060e\u3164f\u2800g\ufe0fh", `a\u200bb\ufeffc\u00add\u2060e\u3164f\u2800g\ufe0fh`},
		{"tag characters and private use", "a\U000e0041b\ue000", `a\U000e0041b\ue000`},
		{"Latin-1", "M\xfcller", `M\xfcller`},
		{"cut UTF-8", "M\xc3", `M\xc3`},
		{"overlong and surrogate", "\xc0\x8a\xed\xa0\x80", `\xc0\x8a\xed\xa0\x80`},
		{"marks in a heap", "a" + strings.Repeat("\u0301", 6), "a" + strings.Repeat("\u0301", 4) + `\u0301\u0301`},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Text(c.in); got != c.want {
				t.Errorf("Text(%q) = %s, want %s", c.in, got, c.want)
			}
		})
	}
}

func TestForeignTextHasALength(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"123456", 6, "123456"}, {"1234567", 6, "123..."}, {"ääääää", 6, "ääääää"}, {"äääääää", 6, "äää..."},
		{"\x1b\x1b\x1b", 6, `\x1...`}, {"abc", 2, ".."}, {"abc", 0, ""},
	} {
		if got := Short(c.in, c.n); got != c.want {
			t.Errorf("Short(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
	if got := Text(strings.Repeat("\x1b", 60_000)); len(got) != Max {
		t.Errorf("60,000 escapes are %d octets, want %d", len(got), Max)
	}
}

func TestLinesKeepTheirEnds(t *testing.T) {
	if got, want := Lines("a\r\n\tb\x1bc\rd\n"), "a\n\tb\\x1bc\\x0dd\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff", 20)
	f.Fuzz(func(t *testing.T, s string, n int) {
		n = min(max(n, 0), 1000)
		got := Short(s, n)
		if utf8.RuneCountInString(got) > n || !utf8.ValidString(got) {
			t.Errorf("Short(%q, %d) = %q", s, n, got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("Short(%q, %d) = %q holds %U", s, n, got, r)
			}
		}
		if again := Short(got, n); again != got {
			t.Errorf("%q becomes %q when it is cleaned again", got, again)
		}
		if again := Lines(Lines(s)); again != Lines(s) {
			t.Errorf("%q becomes %q when it is cleaned again", Lines(s), again)
		}
	})
}

// What a reader of JSON finds is what was put in, and a terminal obeys none of it.
func FuzzJSON(f *testing.F) {
	f.Add("a\x1b[2J\u202e\u009b\x7f\U000e0041\"e" + strings.Repeat("\u0301", 9))
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		text, err := json.Marshal(map[string]string{s: s})
		if err != nil {
			t.Fatal(err)
		}
		shown := JSON(text)
		if i := strings.IndexFunc(string(shown), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%q holds a control character", shown)
		}
		var back map[string]string
		if err := json.Unmarshal(shown, &back); err != nil || back[s] != s {
			t.Errorf("%q became %q: %v", s, shown, err)
		}
	})
}
