package lang

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// A peer whose own address is in no trust line is dropped by the firewall, and no call of it ever shows in the box.
func TestAnInterfaceThatDoesNotTrustItsRemote(t *testing.T) {
	const text = "no trust line of interface sip I covers its own remote"
	for _, c := range []struct {
		remote, trust string
		warns         bool
	}{
		{"192.168.1.100", "trust 10.0.0.0/8", true},
		{"192.168.1.100", "trust 10.0.0.0/8\ntrust 192.168.1.0/24", false},
		{"192.168.1.100", "trust remote", false},
		{"52.114.75.24", "trust microsoft-teams", false},
		{"192.168.1.100", "trust microsoft-teams", true},
		{"pbx.example.org", "trust 192.168.1.0/24", false},
		{"pbx.example.org", "trust 192.168.1.100/32", true}, // .101 is missing
		{"elsewhere.example.org", "trust 192.168.1.100/32", false},
	} {
		l, b := New(), newBox()
		b.env.Resolve = func(host string) ([]netip.Addr, bool) {
			return []netip.Addr{netip.MustParseAddr("192.168.1.100"), netip.MustParseAddr("192.168.1.101")}, host == "pbx.example.org"
		}
		if c.remote == "elsewhere.example.org" {
			b.env.Resolve = nil
		}
		b.cfg, _ = l.Parse([]byte("context cs S\ninterface sip I\nremote " + c.remote + "\n" + c.trust + "\n"))
		warned := false
		for _, p := range l.Check(b.cfg, b.env) {
			if strings.Contains(p.Text, text) {
				warned = true
				if p.Fix != "trust remote" {
					t.Errorf("fix %q", p.Fix)
				}
			}
		}
		if warned != c.warns {
			t.Errorf("remote %s, %s: warned %v", c.remote, c.trust, warned)
		}
	}
}

func TestNamesHaveALength(t *testing.T) {
	l, b := New(), newBox()
	s := &Session{Class: config.Superuser, Mode: []string{"enable", "configure"}}
	for name, taken := range map[string]bool{strings.Repeat("n", 128): true, strings.Repeat("ä", 128): true, strings.Repeat("n", 129): false, strings.Repeat("n", 600): false} {
		var out strings.Builder
		_, err := l.Exec(t.Context(), b, s, "profile acl "+name, nil, &out)
		if (err == nil) != taken || !taken && !strings.Contains(out.String(), "a name has at most 128 characters") {
			t.Errorf("a name of %d octets: %v: %s", len(name), err, out.String())
		}
	}
}
