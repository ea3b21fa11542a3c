package siptransport

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipcount"
)

// countingGate has two interfaces: that of testGate, whose peer has a literal address, and one with a named peer and a trusted network.
func countingGate(t testing.TB, names tableNames) *Gate {
	g := testGate(t, Options{Resolver: names}, nil)
	g.Configure(withInterfaces(g, append(g.Conf().interfaces, &config.SIPInterface{Context: "SWITCH", Name: "teams", Remote: config.HostPort{Host: "sip.example"},
		Trust: []config.Source{{Remote: true}, {Prefix: netip.MustParsePrefix("198.51.100.0/24")}}})...))
	return g
}

// withInterfaces is another configuration of a gate.
func withInterfaces(g *Gate, list ...*config.SIPInterface) *Conf {
	c := *g.Conf()
	c.interfaces, c.counts = list, nil
	return &c
}

func requests(g *Gate, name string) (n uint64) {
	for _, c := range g.Messages(config.InterfaceID{Context: "SWITCH", Name: name}).Received.Requests {
		n += c.N
	}
	return n
}

// A message counts for the interface with its peer, else for the first that trusts it; those of nobody count nowhere.
func TestMessagesCountForTheirInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := tableNames{hosts: map[string][]netip.Addr{"sip.example": {ip("203.0.113.1")}}}
		g := countingGate(t, names)
		count := func(from string) { g.Counts(ip(from)).Request(sipcount.Received, "INVITE") }
		for range 3 {
			count("192.0.2.100")
			count("203.0.113.1")
			count("198.51.100.7") // trusted, and nobody's peer
			count("203.0.113.66")
			count("2001:db8::1")
		}
		if pbx, teams := requests(g, "pbx"), requests(g, "teams"); pbx != 3 || teams != 6 {
			t.Errorf("pbx %d, teams %d", pbx, teams)
		}
		if f := g.Messages(config.InterfaceID{Context: "SWITCH", Name: "other"}); f.Received.Requests != nil {
			t.Errorf("%+v", f)
		}
		// An address that leaves its name is soon nobody's.
		names.hosts["sip.example"] = []netip.Addr{ip("203.0.113.2")}
		time.Sleep(ownedFor)
		count("203.0.113.1")
		count("203.0.113.2")
		if teams := requests(g, "teams"); teams != 7 {
			t.Errorf("teams %d", teams)
		}
	})
}

// Counters live as long as their interface is in the configuration: they are as many as there are interfaces, whatever comes and goes.
func TestCountersFollowTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := countingGate(t, tableNames{hosts: map[string][]netip.Addr{"sip.example": {ip("203.0.113.1")}}})
		pbx, teams := g.Conf().interfaces[0], g.Conf().interfaces[1]
		count := func() {
			for _, a := range []string{"192.0.2.100", "203.0.113.1"} {
				g.Counts(ip(a)).Request(sipcount.Received, "INVITE")
			}
		}
		count()
		renewed := *pbx // another configuration has other values
		g.Configure(withInterfaces(g, teams, &renewed))
		count()
		if a, b := requests(g, "pbx"), requests(g, "teams"); a != 2 || b != 2 {
			t.Errorf("after another order: pbx %d, teams %d", a, b)
		}
		g.Configure(withInterfaces(g, &renewed))
		count()
		if a, b := requests(g, "pbx"), requests(g, "teams"); a != 3 || b != 0 {
			t.Errorf("without teams: pbx %d, teams %d", a, b)
		}
		g.Configure(withInterfaces(g, &renewed, teams))
		count()
		if a, b := requests(g, "pbx"), requests(g, "teams"); a != 4 || b != 1 {
			t.Errorf("with teams again: pbx %d, teams %d", a, b)
		}
		for n := range 100 {
			i := *pbx
			i.Name = fmt.Sprint("pbx", n)
			g.Configure(withInterfaces(g, &i))
			count()
		}
		if c := g.Conf(); len(c.counts) != 1 {
			t.Errorf("%d counters", len(c.counts))
		}
	})
}

// Many addresses take the places of few: what is remembered of them has a bound, and is never taken for another's.
func TestInterfacesOfAddressesAreRememberedInABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := countingGate(t, tableNames{})
		a := ip("198.51.100.0")
		for range 3 {
			for b := a; b != ip("198.51.101.0"); b = b.Next() {
				g.Counts(b).Request(sipcount.Received, "INVITE")
				g.Counts(pbxAddr.Addr()).Request(sipcount.Received, "INVITE")
			}
		}
		if pbx, teams := requests(g, "pbx"), requests(g, "teams"); pbx != 768 || teams != 768 {
			t.Errorf("pbx %d, teams %d", pbx, teams)
		}
	})
}

func BenchmarkCountsOfAnAddress(b *testing.B) {
	g := countingGate(b, tableNames{hosts: map[string][]netip.Addr{"sip.example": {ip("203.0.113.1")}}})
	a := ip("203.0.113.1")
	b.ReportAllocs()
	for b.Loop() {
		g.Counts(a).Request(sipcount.Received, "INVITE")
	}
	if requests(g, "teams") == 0 {
		b.Error("nothing is counted")
	}
}
