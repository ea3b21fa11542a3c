package lang

import (
	"os"
	"strings"
	"testing"
)

// A peer, or a network of its voice, to which the routes lead by another interface is warned of: its voice would be refused.
func TestVoiceThatTheRoutesLeadElsewhereIsWarnedOf(t *testing.T) {
	reference, err := os.ReadFile("testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	const elsewhere = "uses an interface that is not one of"
	for _, test := range []struct{ name, lines, want string }{
		{"as pasted", "", ""},
		{"media trust beyond the default route", "context cs SWITCH\ninterface sip if_sip_starface\nmedia trust 10.1.0.0/16\nmedia trust 192.168.1.0/24\nmedia trust any", "10.1.0.0/16"},
		{"the same with a route", "context cs SWITCH\ninterface sip if_sip_starface\nmedia trust 10.1.0.0/16\ncontext ip ROUTER\nrouting-table DEFAULT\nroute 10.1.0.0/16 gateway 192.168.1.254", ""},
		{"a PBX beyond the default route", "context cs SWITCH\ninterface sip if_sip_starface\nremote 10.1.2.3", "10.1.2.3"},
		{"networks of Teams", "context cs SWITCH\ninterface sip if_sip_microsoft-directrouting-primary\nmedia trust 203.0.113.0/24", ""},
		{"a LAN for Teams", "context cs SWITCH\ninterface sip if_sip_microsoft-directrouting-primary\nmedia trust 192.168.1.7", "192.168.1.7/32"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var found []string
			for _, p := range problemsOf(New(), string(reference)+"\n"+test.lines+"\n") {
				if strings.Contains(p.Text, elsewhere) {
					found = append(found, p.Text)
				}
			}
			if len(found) > 1 || (len(found) == 1) != (test.want != "") || test.want != "" && !strings.Contains(found[0], "the route to "+test.want+" ") {
				t.Errorf("%q", found)
			}
		})
	}
}
