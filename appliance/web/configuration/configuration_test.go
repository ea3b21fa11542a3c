package configuration

import "testing"

func TestAChangeLeadsBackToAPageOfOurs(t *testing.T) {
	for referer, want := range map[string]string{
		"https://box/calls?x=1":      "/calls",
		"https://box/":               "/",
		"":                           "/configuration",
		"https://box//attacker.test": "/configuration",
		"https://box/%5Cattacker":    "/%5Cattacker",
		"https://box/%2Fattacker":    "/configuration",
		"mailto:x":                   "/configuration",
	} {
		if got := came(referer); got != want {
			t.Errorf("%s leads to %s, not %s", referer, got, want)
		}
	}
}
