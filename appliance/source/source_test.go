package source

import (
	"net/netip"
	"testing"
)

func TestWhoCountsAsOne(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7",
		"::ffff:192.0.2.7":       "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::/64",
		"2001:db8:1:2::":         "2001:db8:1:2::/64",
		"2001:db8:1:3::1":        "2001:db8:1:3::/64",
		"fe80::1:2:3:4%eth0":     "fe80::/64",
		"::1":                    "::/64",
		"::ffff:255.255.255.255": "255.255.255.255",
	} {
		if got := Name(Of(netip.MustParseAddr(text))); got != want {
			t.Errorf("%s counts as %s, not %s", text, got, want)
		}
	}
	if got := Of(netip.Addr{}); got.IsValid() {
		t.Errorf("no address counts as %s", got)
	}
}
