package sipgw

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
)

// applied notes when registrations and probes may begin.
type applied struct {
	followers
	f func()
}

func (a applied) Applied(*config.Config, bool) { a.f() }

// At a start the ports have no carrier yet: the gateways listen meanwhile, and only requests of ours wait for it.
func TestGatewaysListenBeforeAnythingIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		defer b.end()
		var order []string
		net := &paperNet{socks: map[netip.AddrPort]*paper{}}
		s := New(Options{Options: siptransport.Options{Resolver: fakeNames{}, Network: net}, OnApplied: func(err error) {
			if net.socks[boxAddr] == nil {
				t.Errorf("the gateway does not listen: %v", err)
			}
			order = append(order, "wait for the carrier")
		}})
		s.Attach(unattended{}, applied{f: func() { order = append(order, "register") }})
		here := func(config.AddressBind) netip.Addr { return boxAddr.Addr() }
		if err := s.Apply(b.s.cfg, here); err != nil {
			t.Fatal(err)
		}
		if len(order) != 2 || order[0] != "wait for the carrier" || order[1] != "register" {
			t.Errorf("order %q", order)
		}
		s.closed = true
		if err := s.Apply(b.s.cfg, here); err == nil || len(order) != 3 {
			t.Errorf("after the end: %v, order %q", err, order)
		}
		s.gateway("gw").Close()
		s.end()
		s.group.Wait()
	})
}
