package lang

import (
	"strings"
	"testing"
)

// The SBC's name is what Teams is most particular about (teams.md A.1, A.2).
func TestNamesThatTeamsDoesNotTake(t *testing.T) {
	text := string(reference(t, "starface-teams.cfg"))
	for name, want := range map[string]string{
		"sbc.contoso.onmicrosoft.com":                 "onmicrosoft.com, which Teams does not take",
		"sbc." + strings.Repeat("a", 57) + ".example": "has 69 characters: Teams takes 63 at most",
		"sbc.other.example":                           "", // one name everywhere
	} {
		found := false
		for _, p := range New().CheckFile("f", []byte(strings.ReplaceAll(text, "sbc.meinefirma.de", name)), Env{}) {
			found = found || want != "" && strings.Contains(p.Text, want)
			if want == "" && strings.Contains(p.Text, "Contact towards Teams") {
				t.Errorf("%s: %s", name, p.Text)
			}
		}
		if found != (want != "") {
			t.Errorf("%s: nothing is said of it", name)
		}
	}
	p := New().CheckFile("f", []byte(strings.Replace(text, "spoofed contact-header manual sbc.meinefirma.de", "spoofed contact-header manual sbc2.meinefirma.de", 1)), Env{})
	if !strings.Contains(problemLines(p), "Contact towards Teams says sbc2.meinefirma.de, but local is sbc.meinefirma.de") {
		t.Error("two names are not noticed")
	}
}

func TestTLSWithoutALookAtThePeerIsWarnedOf(t *testing.T) {
	text := string(reference(t, "starface-teams.cfg"))
	for line, want := range map[string]string{
		"  authentication incoming\n": "takes TLS connections without looking at the peer's certificate; fix: authentication incoming",
		"  authentication outgoing\n": "opens TLS connections without looking at the peer's certificate; fix: authentication outgoing",
	} {
		if got := problemLines(New().CheckFile("f", []byte(text), Env{})); strings.Contains(got, want) {
			t.Errorf("said of a profile that has %q", line)
		}
		if got := problemLines(New().CheckFile("f", []byte(strings.Replace(text, line, "", 1)), Env{})); !strings.Contains(got, "warning: gateway gw_sip_wan_5062 "+want) {
			t.Errorf("without %q:\n%s", line, got)
		}
	}
}
