package vrrp

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"viaduct/appliance/pair"
)

var virtual = netip.MustParseAddr("192.168.1.1")

// ports are those of the two boxes in a LAN.
func ports() (one, two Port) {
	one = Port{Own: netip.MustParsePrefix("192.168.1.2/24"), Others: netip.MustParseAddr("192.168.1.3"), Virtual: []netip.Addr{virtual}}
	two = Port{Own: netip.MustParsePrefix("192.168.1.3/24"), Others: netip.MustParseAddr("192.168.1.2"), Virtual: []netip.Addr{virtual}}
	return one, two
}

func TestABoxHearsTheOther(t *testing.T) {
	w := newWorld(t)
	one, two := w.add("one", "192.168.1.2/24"), w.add("two", "192.168.1.3/24")
	p1, p2 := ports()
	r1, _ := one.router(Options{}, p1)
	heard := make(chan Heard, 10)
	r2, _ := two.router(Options{Heard: func(h Heard) { heard <- h }}, p2)
	until(t, "the advertisement came", func() bool {
		check(t, r1.Advertise(150))
		return len(heard) > 0
	})
	h := <-heard
	if h.Port != 0 || h.From != p2.Others || h.Priority != 150 || h.Router != 51 || h.Interval != 100*time.Millisecond || len(h.Addresses) != 1 || h.Addresses[0] != virtual {
		t.Errorf("%+v", h)
	}
	if s := r2.State()[0]; s.Received == 0 || s.Heard.IsZero() || s.Foreign != 0 {
		t.Errorf("%+v", s)
	}
	if s := r1.State()[0]; s.Received != 0 || s.Foreign != 0 || s.Sent == 0 {
		t.Errorf("it hears itself: %+v", s)
	}
}

func TestVirtualAddressesAreHeldAndReleased(t *testing.T) {
	w := newWorld(t)
	one, peer := w.add("one", "192.168.1.2/24"), w.add("peer", "192.168.1.100/24")
	p1, _ := ports()
	p1.Witnesses = addrs("192.168.1.100")
	r, _ := one.router(Options{}, p1)
	check(t, r.Hold(context.Background()))
	if !one.has(virtual) {
		t.Error("it returned, and the kernel does not have it")
	}
	until(t, "the network knows the address", func() bool { return peer.knows(virtual) == one.device().Attrs().HardwareAddr.String() })
	until(t, "both are heard", func() bool {
		s := r.State()[0]
		return s.Held && s.Carrier && s.Witness == pair.WitnessHeard && s.Virtual == pair.WitnessHeard
	})
	check(t, r.Release(context.Background()))
	if one.has(virtual) || r.State()[0].Held {
		t.Error("it returned, and the kernel still has it")
	}
}

func TestThePortTellsItsLink(t *testing.T) {
	w := newWorld(t)
	one := w.add("one", "192.168.1.2/24")
	p1, _ := ports()
	changed := make(chan struct{}, 100)
	r, _ := one.router(Options{Changed: func() { changed <- struct{}{} }}, p1)
	carrier := func() bool { return r.State()[0].Carrier }
	until(t, "the link is there", carrier)
	w.plug(one, false)
	for carrier() {
		<-changed
	}
	w.plug(one, true)
	for !carrier() {
		<-changed
	}
}
