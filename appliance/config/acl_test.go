package config

import (
	"net/netip"
	"testing"
)

func TestAccessListsDecideAboutPackets(t *testing.T) {
	here := netip.MustParseAddr("203.0.113.7")
	one := ACLHost{Prefix: netip.MustParsePrefix("52.112.0.9/32")}
	list := &ACL{Name: "WAN", Rules: []ACLRule{
		{Index: 20, Action: "permit", Protocol: "tcp", Source: ACLHost{Teams: true}, PortFirst: 5062},
		{Index: 30, Action: "permit", Protocol: "ip", Source: ACLHost{Prefix: netip.MustParsePrefix("52.112.0.0/14")}, PortFirst: 16384, PortLast: 32767},
		{Index: 10, Action: "deny", Protocol: "ip", Source: one},
	}}
	for _, c := range []struct {
		protocol, source string
		port             uint16
		want             bool
	}{
		{"tcp", "52.112.0.8", 5062, true},
		{"tcp", "52.112.0.9", 5062, false},
		{"tcp", "52.123.9.9", 5062, true},
		{"tcp", "52.112.0.8", 5061, false},
		{"udp", "52.112.0.8", 5062, false},
		{"udp", "52.112.0.8", 32767, true},
		{"udp", "52.112.0.8", 32768, false},
		{"udp", "52.123.9.9", 20000, false},
	} {
		p := Packet{c.protocol, netip.MustParseAddr(c.source), here, c.port}
		if got := list.Permits(p); got != c.want {
			t.Errorf("%+v: %v by %+v", p, got, list.Decides(p))
		}
	}
}

func TestNetworksOfTeamsThatAreNotTrusted(t *testing.T) {
	source := func(s string) Source { return Source{Prefix: netip.MustParsePrefix(s)} }
	for _, c := range []struct {
		trust []Source
		want  int
	}{
		{nil, 2},
		{[]Source{{Teams: true}}, 0},
		{[]Source{{Remote: true}, source("52.112.0.0/14")}, 1},
		{[]Source{source("52.112.0.0/14"), source("52.120.0.0/14")}, 0},
		{[]Source{source("52.114.0.0/16"), source("52.122.0.0/15")}, 1},
	} {
		i := &SIPInterface{Trust: c.trust}
		if got := i.Untrusted(); len(got) != c.want {
			t.Errorf("%v: %v", c.trust, got)
		}
	}
	for host, network := range map[string]string{"sip.pstnhub.gov.teams.microsoft.us": "52.127.88.0/21", "SIP.pstnhub.dod.teams.microsoft.us.": "52.127.64.0/21"} {
		i := &SIPInterface{Remote: HostPort{Host: host}, Trust: []Source{{Teams: true}}}
		if got := i.Untrusted(); len(got) != 1 || got[0].String() != network {
			t.Errorf("%s does not trust %v, it needs %s", host, got, network)
		}
		i.Trust = append(i.Trust, source(network))
		if got := i.Untrusted(); len(got) != 0 {
			t.Errorf("%s does not trust %v", host, got)
		}
	}
}
