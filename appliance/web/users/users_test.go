package users

import (
	"strings"
	"testing"

	"viaduct/appliance/cli"
	"viaduct/appliance/web/page"
)

// What stands in a field never becomes a second line, nor another word of its line.
func TestAFieldIsOneWord(t *testing.T) {
	for _, word := range []string{"anna", "a b", "a\nno superuser root", "a\r\nx", `a" password x`, "\x00\x7f", "ssh-rsa\tAAAA"} {
		line := keyLine(word, word, word, "")
		if strings.ContainsAny(line, "\r\n\x00\x7f") {
			t.Errorf("%q: %q", word, line)
		}
		words := cli.Words(line)
		if len(words) != 4 || words[0].Text != "public-key" || words[1].Text != plain(word) {
			t.Errorf("%q: %+v", word, words)
		}
	}
	if got, want := keyLine("anna", "ssh-ed25519", "AAAA", "her laptop"), `public-key anna ssh-ed25519 AAAA "her laptop"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The reason of a refusal is that of the line that was refused, else all that was said.
func TestWhySomethingIsRefused(t *testing.T) {
	for want, out := range map[string]page.Outcome{
		"too short":    {Text: "% too short\n", Lines: []page.Line{{OK: true}, {Why: "too short"}, {Why: "not run"}}},
		"unknown word": {Text: " % unknown word\n"},
		"":             {},
	} {
		if got := why(out); got != want {
			t.Errorf("%+v: %q", out, got)
		}
	}
}
