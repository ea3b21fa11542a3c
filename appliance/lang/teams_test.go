package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/lang/check"
)

// The SBC's name is what Teams is most particular about (teams.md A.1, A.2).
func TestNamesThatTeamsDoesNotTake(t *testing.T) {
	text := string(reference(t, "starface-teams.cfg"))
	for name, want := range map[string]string{
		"sbc.contoso.onmicrosoft.com":                 "onmicrosoft.com, which Teams does not accept",
		"sbc." + strings.Repeat("a", 57) + ".example": "has 69 characters: Teams accepts at most 63",
		"sbc.other.example":                           "", // one name everywhere
	} {
		found := false
		for _, p := range New().CheckFile("f", []byte(strings.ReplaceAll(text, "sbc.meinefirma.de", name)), check.Env{}) {
			found = found || want != "" && strings.Contains(p.Text, want)
			if want == "" && strings.Contains(p.Text, "Contact towards Teams") {
				t.Errorf("%s: %s", name, p.Text)
			}
		}
		if found != (want != "") {
			t.Errorf("%s: nothing is said of it", name)
		}
	}
	p := New().CheckFile("f", []byte(strings.Replace(text, "spoofed contact-header manual sbc.meinefirma.de", "spoofed contact-header manual sbc2.meinefirma.de", 1)), check.Env{})
	if !strings.Contains(problemLines(p), "Contact towards Teams has sbc2.meinefirma.de, but local is sbc.meinefirma.de") {
		t.Error("two names are not noticed")
	}
}

func TestTLSWithoutALookAtThePeerIsWarnedOf(t *testing.T) {
	text := string(reference(t, "starface-teams.cfg"))
	for line, want := range map[string]string{
		"  authentication incoming\n": "accepts TLS connections without verifying the peer's certificate; fix: authentication incoming",
		"  authentication outgoing\n": "opens TLS connections without verifying the peer's certificate; fix: authentication outgoing",
	} {
		if got := problemLines(New().CheckFile("f", []byte(text), check.Env{})); strings.Contains(got, want) {
			t.Errorf("said of a profile that has %q", line)
		}
		if got := problemLines(New().CheckFile("f", []byte(strings.Replace(text, line, "", 1)), check.Env{})); !strings.Contains(got, "warning: gateway gw_sip_wan_5062 "+want) {
			t.Errorf("without %q:\n%s", line, got)
		}
	}
}

// What else Teams demands of the lines, each said where it is missing (teams.md A.2, A.13, A.24, and behind port forwarding).
func TestLinesThatTeamsDemands(t *testing.T) {
	text := string(reference(t, "starface-teams.cfg"))
	sound := problemLines(New().CheckFile("f", []byte(text), check.Env{}))
	for _, x := range []struct{ old, new, want string }{
		{"    spoofed contact-header manual sbc.meinefirma.de port 5062\n", "", "warning: Contact towards Teams has an IP address: Teams answers 403 unless it has the name in the certificate; fix: spoofed contact-header manual sbc.meinefirma.de port 5062"},
		{"    trust 52.120.0.0/14\n", "", "warning: Teams signals from 52.112.0.0/14 and 52.122.0.0/15: calls from its other data centres are dropped"},
		{"  srtp transmission forced\n", "  srtp transmission preferred\n", "warning: Teams takes SRTP only; fix: srtp transmission forced"},
		{"123.123.123.123/28", "10.20.30.2/24", "note: 10.20.30.2 is a private address: behind port forwarding, SDP must have the public address (spoofed media-address)"},
	} {
		changed := strings.ReplaceAll(text, x.old, x.new)
		if got := problemLines(New().CheckFile("f", []byte(changed), check.Env{})); changed == text || strings.Contains(sound, x.want) || !strings.Contains(got, x.want) {
			t.Errorf("%q as %q: want %q, said:\n%s", x.old, x.new, x.want, got)
		}
	}
}

// The checks for Teams do not fall silent because its hubs are configured in another way.
func TestTeamsIsKnownByAddressAndTrust(t *testing.T) {
	text := strings.Replace(string(reference(t, "starface-teams.cfg")), "  srtp transmission forced\n", "  srtp transmission preferred\n", 1)
	for name, changed := range map[string]string{
		"by address": strings.NewReplacer("remote sip.pstnhub.microsoft.com", "remote 52.114.75.24", "remote sip2.pstnhub.microsoft.com", "remote 52.114.132.46",
			"remote sip3.pstnhub.microsoft.com", "remote 52.114.14.70").Replace(text),
		"by trust": strings.NewReplacer("remote sip.pstnhub.microsoft.com", "remote hub1.example.com", "remote sip2.pstnhub.microsoft.com", "remote hub2.example.com",
			"remote sip3.pstnhub.microsoft.com", "remote hub3.example.com", "    trust 52.112.0.0/14\n    trust 52.120.0.0/14\n", "    trust microsoft-teams\n").Replace(text),
		"with a dot at the end": strings.ReplaceAll(text, ".pstnhub.microsoft.com", ".pstnhub.microsoft.com."),
	} {
		if got := problemLines(New().CheckFile("f", []byte(changed), check.Env{})); changed == text || strings.Contains(changed, " sip.pstnhub.microsoft.com 5061") || !strings.Contains(got, "Teams takes SRTP only") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}
