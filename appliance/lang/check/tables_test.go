package check

import (
	"net/netip"
	"testing"

	"viaduct/appliance/config"
)

// Keys that people bring from other systems mean something else here: the check says so, and has the key that was meant.
func TestKeysOfOtherSystems(t *testing.T) {
	for key, want := range map[string]string{
		"any": "default", "*": "default", "_": "default",
		"0XXX": "0...", "_0X.": "0.", "0NXX!": "0[2-9]..", "9ZX": "9[1-9].", "[2-4X]1X": "[2-4X]1.",
		"030-123": "030123", "(0)30/12 3": "(0)30123", "0[1-3]-5": "0[1-3]5", "0T1": "01",
		"0T": "", "123": "", `\+49.*`: "", "anna": "", "[x-z]1": "", "1[0-9]": "",
	} {
		text, better := strangeNumber(key)
		if better != want || (text == "") != (want == "") {
			t.Errorf("%s: %q, %q, want %q", key, better, text, want)
		}
	}
}

func TestKeysForURIs(t *testing.T) {
	for key, want := range map[string]string{"anna@a.example": "sip:anna@a.example", "<SIP:a@b>": "sip:a@b", "Tel:+49": "tel:+49", "sips:x": "sips:x"} {
		if got := asURI(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	for key, want := range map[string]string{"sip:.*@a.example": `sip:.*@a\.example`, `sip:a@b\.c`: `sip:a@b\.c`, "12.4": "12.4", "sip:a..b": "sip:a..b"} {
		if got := dotsEscaped(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	for key, want := range map[string]bool{"sip:.*": true, "s": true, "tel:.*": true, ".*": true, "[a-z]+": true, "49": false, "anna": false} {
		k, err := config.ParsePattern(key)
		if err != nil {
			t.Fatal(err)
		}
		if got := beginsAsURI(k); got != want {
			t.Errorf("%s may match a URI: %v, want %v", key, got, want)
		}
	}
}

// A value that is made of groups which can all match nothing may be empty.
func TestValuesThatMayBeEmpty(t *testing.T) {
	for _, c := range []struct {
		key, to string
		want    bool
	}{
		{"(1)?2", `\1`, true}, {"(1)*2", `\1`, true}, {"(1)2", `\1`, false}, {"(1)?(2)", `\1\2`, false}, {"(1)?(2)?", `\2\1`, true},
		{"((1))?", `\2`, true}, {"(1)?", "1", false}, {"(1)?", "", false}, {"(", `\1`, false}, {"(1)?", `\7`, false},
	} {
		if got := mayBeEmpty(c.key, c.to); got != c.want {
			t.Errorf("%s to %s: %v", c.key, c.to, got)
		}
	}
}

func TestAddressesThatNoHostHas(t *testing.T) {
	for p, want := range map[string]string{
		"0.0.0.0/24": "the unspecified address", "224.0.0.1/24": "a multicast address", "127.0.0.1/8": "a loopback address",
		"192.0.2.0/24": "the address of the network", "192.0.2.255/24": "the broadcast address of the network",
		"192.0.2.1/24": "", "192.0.2.0/31": "", "192.0.2.255/32": "", "2001:db8::/64": "", "::1/128": "a loopback address",
	} {
		if got := noHost(netip.MustParsePrefix(p)); got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	for p, want := range map[string]string{"192.0.2.7/24": "192.0.2.255", "10.0.0.1/9": "10.127.255.255", "192.0.2.1/32": "192.0.2.1"} {
		if got := lastOf(netip.MustParsePrefix(p)); got.String() != want {
			t.Errorf("%s ends at %s, want %s", p, got, want)
		}
	}
}

func TestTheHostOfAURI(t *testing.T) {
	for v, want := range map[string]string{"sip:a@b.example:5060;x": "b.example", "sip:a@b": "b", "a@": "", "b.example": "", `\1@b-c_d.e>`: "b-c_d.e"} {
		if got := uriHost(v); got != want {
			t.Errorf("%s: %q, want %q", v, got, want)
		}
	}
}

// A fix names another object in the line, and leaves a keyword that reads the same alone.
func TestAWordOfALineIsReplaced(t *testing.T) {
	for _, c := range []struct{ line, name, with, want string }{
		{"bind context sip-gateway lan", "lan", "LAN", "bind context sip-gateway LAN"},
		{"use profile voip use", "use", "a b", `use profile voip "a b"`},
		{"route to x", "y", "z", ""},
	} {
		if got := replaceWord(c.line, c.name, c.with); got != c.want {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}
