package lang

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// A file is read whatever its editor kept it in, and says so once where that is worth knowing.
func TestFilesOfOtherEditors(t *testing.T) {
	const text = "context cs SWITCH\n  interface sip Büro\n    remote 192.0.2.1\n  no shutdown\n"
	little := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(text)) {
		little = binary.LittleEndian.AppendUint16(little, u)
	}
	l := New()
	want, _ := l.Parse([]byte(text))
	for name, x := range map[string]struct {
		text     []byte
		problems string
	}{
		"as it is":         {[]byte(text), ""},
		"DOS":              {[]byte(strings.ReplaceAll(text, "\n", "\r\n")), ""},
		"old Mac":          {[]byte(strings.ReplaceAll(text, "\n", "\r")), ""},
		"byte order mark":  {[]byte("\ufeff" + text), ""},
		"UTF-16":           {little, "f:1: note: the file is in UTF-16: it is read as such\n"},
		"no-break blanks":  {[]byte(strings.ReplaceAll(text, " ", "\u00a0")), ""},
		"a mail":           {[]byte("> " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n> ")), ""},
		"printed dashes":   {[]byte(text + "banner a–b\n"), "f:5: error: a printed dash (–, U+2013) at column 9: write -, or put the word into \" \"\n"},
		"printed quotes":   {[]byte(text + "banner “”\n"), ""},
		"a soft hyphen":    {[]byte(text + "banner a\u00adb\n"), "f:5: error: a soft hyphen (U+00AD) at column 9\n"},
		"another encoding": {[]byte(text + "banner B\xfcro\n"), "f:5: error: byte 0xfc at column 9 is not UTF-8 text\n"},
	} {
		r := l.read("f", x.text)
		if got := problemLines(r.problems); got != x.problems {
			t.Errorf("%s: problems %q, want %q", name, got, x.problems)
		}
		same(t, want, r.cfg)
	}
}

func TestPrintedQuotationMarksMakeAnEmptyValue(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte("context cs SWITCH\n  mapping-table calling-pi to calling-e164 M\n    map restricted to “”\n"))
	if len(problems) > 0 || cfg.CS[0].MappingTables[0].Maps[0].To != "" {
		t.Errorf("%s%s", problemLines(problems), l.Print(cfg, false))
	}
}
