package cli

import (
	"strings"
	"testing"
)

func TestWhatIsNotSeenIsNamedWithItsColumn(t *testing.T) {
	table := New(&device{}, deviceLines, Options{})
	for line, want := range map[string]string{
		"name a\u200bb":              "a zero-width space (U+200B) at column 7",
		"name a\u00adb":              "a soft hyphen (U+00AD) at column 7",
		"name \ufeffb":               "a byte order mark (U+FEFF) at column 6",
		"name ä\u200eb":              "a direction mark (U+200E) at column 7",
		"name \"a\u00a0b\"":          "a no-break space (U+00A0) at column 8",
		"name \"a\u2009b\"":          "a character that cannot be seen (U+2009) at column 8",
		"name a\x01b":                "a control character (0x01) at column 7",
		"name a\x7f":                 "a control character (0x7f) at column 7",
		"name a\u0085b":              "",
		"name \u00e9\ufe0f":          "a character that cannot be seen (U+FE0F) at column 7",
		"name B\xfcro":               "byte 0xfc at column 7 is not UTF-8 text",
		"name B\ufffdro":             "a character that was lost when the text was converted (U+FFFD) at column 7",
		"na\u200bme x":               "a zero-width space (U+200B) at column 3",
		"name a”b":                   "a printed quotation mark (”)",
		"name 11″":                   "a printed quotation mark (″)",
		"name ″a b″":                 "",
		"name ‘a’":                   "a printed quotation mark (‘)",
		"name O’Brien":               "",
		"name a–b":                   "a printed dash (–, U+2013)",
		"name \"a – b, „c“\"":        "",
		"name “a b”":                 "",
		"name „a – b“":               "",
		"name «a b»":                 "",
		"name\u00a0x":                "",
		"name x\u00a0y":              "nothing may follow here: \"y\" (a no-break space, U+00A0, at column 7 parts words)",
		"\u00a0\u00a0name\u2003Jürg": "",
	} {
		_, err := table.Match([]Layer{{Mode: table.root}}, line, &device{})
		switch {
		case want == "" && err != nil && !strings.Contains(line, "\u0085"):
			t.Errorf("%q: %v", line, err)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
			t.Errorf("%q: %v, want %s", line, err, want)
		}
	}
}

func TestPrintedQuotationMarksStandForPlainOnes(t *testing.T) {
	for line, want := range map[string]Word{
		"“”":     {Text: "", Quoted: true},
		"“a b”":  {Text: "a b", Quoted: true},
		"„a b“":  {Text: "a b", Quoted: true},
		"”a b”":  {Text: "a b", Quoted: true},
		"«a»":    {Text: "a", Quoted: true},
		"“a b\"": {Text: "a b", Quoted: true},
		"“a":     {Text: "“a"},
		"“a”b":   {Text: "“a”b"},
	} {
		got := Words(line)
		if len(got) != 1 || got[0].Text != want.Text || got[0].Quoted != want.Quoted {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
	}
	for _, text := range []string{"“x”", "a – b", "a–b", "‘x", "„"} {
		if got := Words(Quote(text)); len(got) != 1 || got[0].Text != text || misread(Quote(text)) != nil {
			t.Errorf("%q is quoted as %s, which is read as %+v", text, Quote(text), got)
		}
	}
}

func TestWhatALineLooksLike(t *testing.T) {
	table := New(&device{}, deviceLines, Options{})
	port := table.root.stmts[2].Mode
	for line, want := range map[string]Look{
		"port fxs 0":       LooksAsHeader,
		"prt 4000":         LooksStrange,
		"banne x y":        LooksAsHeader,
		"\u200bport 5":     LooksAsHeader,
		"speed 7":          LooksAsStatement,
		"spead 7":          LooksAsStatement,
		"no port 500":      LooksAsStatement,
		"q921":             LooksStrange,
		"actions":          LooksStrange,
		"interface fxs 0 ": LooksStrange,
	} {
		if got, _ := table.Look([]Layer{{Mode: port}, {Mode: table.root}}, line); got != want {
			t.Errorf("%q: %d, want %d", line, got, want)
		}
	}
}
