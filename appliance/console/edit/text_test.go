package edit

import "testing"

func TestBinaryIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"map (00)?49(...)?$ to \\2": "",
		"a\tb":                      "",
		"# M\xfcller":               "",
		"name M\xfcller":            "byte 0xfc at column 7 is not UTF-8 text",
		"\x7fELF":                   "byte 0x7f at column 1 is a control character",
		"name M\u00fcller \ufffd":   "",
	} {
		if got := NotText(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
