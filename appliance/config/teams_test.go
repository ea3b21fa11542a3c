package config

import (
	"net/netip"
	"testing"
)

func TestWhoIsTeams(t *testing.T) {
	net := func(s string) Source { return Source{Prefix: netip.MustParsePrefix(s)} }
	for _, x := range []struct {
		remote string
		trust  []Source
		want   bool
	}{
		{"sip.pstnhub.microsoft.com", nil, true},
		{"SIP2.PSTNHUB.Microsoft.com.", nil, true},
		{"sip.pstnhub.gov.teams.microsoft.us", nil, true},
		{"sip-all.pstnhub.microsoft.com", nil, true},
		{"52.114.75.24", nil, true},
		{"52.123.1.1", nil, true},
		{"teams.example.com", []Source{{Teams: true}}, true},
		{"", []Source{{Remote: true}, net("52.112.0.0/14")}, true},
		{"192.0.2.7", []Source{net("52.114.0.0/16")}, true},
		{"192.0.2.7", []Source{net("0.0.0.0/0")}, false},
		{"192.0.2.7", []Source{net("52.0.0.0/8"), {Remote: true}}, false},
		{"notpstnhub.microsoft.com", nil, false},
		{"pstnhub.microsoft.com.example.org", nil, false},
		{"starface.meinefirma.de", []Source{{Remote: true}}, false},
		{"", nil, false},
	} {
		if got := (&SIPInterface{Remote: HostPort{Host: x.remote}, Trust: x.trust}).Teams(); got != x.want {
			t.Errorf("%q trusting %v: %v", x.remote, x.trust, got)
		}
	}
}
