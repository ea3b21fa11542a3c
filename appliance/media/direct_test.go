package media

import (
	"bytes"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// wired is a relay in a namespace of its own, whose only way out is a cable to the namespace of the two peers of a call.
type wired struct {
	t         *testing.T
	box, peer netns.NsHandle
	relay     *Relay
	call      *callOf
	filtered  atomic.Bool
}

// newWired leaves the test's goroutine in the relay's namespace.
func newWired(t *testing.T, lease time.Duration) *wired {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	w := &wired{t: t}
	var err error
	if w.peer, err = netns.New(); err != nil {
		t.Fatal(err)
	}
	if w.box, err = netns.New(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.peer.Close(); w.box.Close() })
	w.must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth00"}, PeerName: "eth00", PeerNamespace: netlink.NsFd(w.peer)}))
	w.up("10.0.0.1/24")
	w.atPeer(func() { w.up("10.0.0.2/24") })
	w.relay = running(t, Options{lease: lease, Unfiltered: func(device string) bool {
		if device != "eth00" {
			t.Errorf("asked about device %q", device)
		}
		return !w.filtered.Load()
	}})
	c := &callOf{Session: w.relay.NewSession()}
	w.call = c
	t.Cleanup(func() { c.Close() })
	w.atPeer(func() { c.a, c.b = newPeer(t, "10.0.0.2"), newPeer(t, "10.0.0.2") })
	for side, p := range []*peer{c.a, c.b} {
		if p.to, err = c.Open(Side(side), PortOptions{Addr: netip.MustParseAddr("10.0.0.1")}); err != nil {
			t.Fatal(err)
		}
	}
	c.pa, c.pb = c.a.params(nil, nil), c.b.params(nil, nil)
	c.set(t)
	return w
}

func (w *wired) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *wired) link() netlink.Link {
	link, err := netlink.LinkByName("eth00")
	w.must(err)
	return link
}

func (w *wired) up(addr string) {
	w.t.Helper()
	a, err := netlink.ParseAddr(addr)
	w.must(err)
	w.must(netlink.AddrAdd(w.link(), a))
	w.must(netlink.LinkSetUp(w.link()))
}

// atPeer runs f in the peers' namespace.
func (w *wired) atPeer(f func()) {
	w.must(netns.Set(w.peer))
	defer func() { w.must(netns.Set(w.box)) }()
	f()
}

// direct reports whether packets to the peers leave by the device now.
func (w *wired) direct() (yes bool) {
	t := w.relay.threads[0]
	t.do(func() {
		for _, r := range t.direct.routes {
			yes = yes || time.Since(t.base) < r.until
		}
	})
	return yes
}

// talkUntil sends packets until something holds.
func (w *wired) talkUntil(what string, holds func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("not in %v: %s", patience, what)
		}
		w.call.a.send(8)
	}
	for w.call.b.read(w.call.b.rtp, rest) != nil { // what came meanwhile
	}
}

// arrives reports whether a packet of the one peer comes to the other.
func (w *wired) arrives() bool {
	sent := w.call.a.send(8)
	for {
		got := w.call.b.read(w.call.b.rtp, rest)
		if got == nil || bytes.Equal(payload(got), payload(sent)) {
			return got != nil
		}
	}
}

// emit sends a packet to the peer of side B.
func (w *wired) emit(size int) {
	t := w.relay.threads[0]
	t.do(func() {
		t.send(&w.call.legs[B], rtp, t.slotOfOurs()[:size])
		t.flush()
	})
}

// unroute takes the kernel's own way to the peers.
func (w *wired) unroute() {
	w.t.Helper()
	_, network, _ := net.ParseCIDR("10.0.0.0/24")
	w.must(netlink.RouteDel(&netlink.Route{LinkIndex: w.link().Attrs().Index, Dst: network, Scope: netlink.SCOPE_LINK}))
}

// Once the kernel has told the way, packets do not pass its routing: it is gone, and they arrive.
func TestPacketsLeaveByTheDevice(t *testing.T) {
	w := newWired(t, time.Hour)
	w.call.talk(t) // the first ones go the kernel's way
	w.talkUntil("the kernel tells the way", w.direct)
	w.unroute()
	for range 5 {
		w.call.talk(t)
	}
	if s := w.call.Close(); s[A].Unsent+s[B].Unsent != 0 {
		t.Errorf("%+v", s)
	}
}

// A path that takes less than a host must accept is the kernel's business.
func TestANarrowPath(t *testing.T) {
	w := newWired(t, time.Hour)
	_, network, _ := net.ParseCIDR("10.0.0.0/24")
	w.must(netlink.RouteReplace(&netlink.Route{LinkIndex: w.link().Attrs().Index, Dst: network, Scope: netlink.SCOPE_LINK, MTU: 190}))
	var mac net.HardwareAddr
	w.atPeer(func() { mac = w.link().Attrs().HardwareAddr })
	w.must(netlink.NeighSet(&netlink.Neigh{LinkIndex: w.link().Attrs().Index, IP: net.IPv4(10, 0, 0, 2), HardwareAddr: mac, State: netlink.NUD_PERMANENT}))
	for answered := false; !answered; time.Sleep(time.Millisecond) {
		w.emit(172)
		t := w.relay.threads[0]
		t.do(func() {
			t.askRoutes()
			for _, r := range t.direct.routes {
				answered = answered || r.again > 0
			}
		})
	}
	if w.direct() {
		t.Error("packets pass the kernel by")
	}
	if got := w.call.b.read(w.call.b.rtp, patience); len(got) != 172 {
		t.Errorf("a packet in fragments: %d octets came", len(got))
	}
}

// What the kernel has told serves for a while only: a route that is gone is gone for the relay, too.
func TestTheKernelIsAskedAgain(t *testing.T) {
	w := newWired(t, 20*time.Millisecond)
	w.talkUntil("the kernel tells the way", w.direct)
	w.unroute()
	w.talkUntil("the way is forgotten", func() bool { return !w.direct() && !w.arrives() })
}

// A peer gets another network card.
func TestANeighbourMoves(t *testing.T) {
	w := newWired(t, 20*time.Millisecond)
	w.talkUntil("the kernel tells the way", w.direct)
	moved := net.HardwareAddr{2, 0, 0, 0, 0, 77}
	w.atPeer(func() { w.must(netlink.LinkSetHardwareAddr(w.link(), moved)) })
	w.must(netlink.NeighSet(&netlink.Neigh{LinkIndex: w.link().Attrs().Index, IP: net.IPv4(10, 0, 0, 2), HardwareAddr: moved, State: netlink.NUD_REACHABLE}))
	w.talkUntil("packets arrive again", func() bool { return w.arrives() && w.direct() })
}

// Where the firewall looks at what leaves, it sees all packets, also when it begins to do so in the middle of a call.
func TestTheFirewallSeesWhatLeaves(t *testing.T) {
	w := newWired(t, 20*time.Millisecond)
	w.talkUntil("the kernel tells the way", w.direct)
	w.filtered.Store(true)
	w.talkUntil("packets go the kernel's way", func() bool { return !w.direct() })
	for range 20 { // further answers of the kernel change nothing
		w.call.talk(t)
		if w.direct() {
			t.Fatal("a packet passes the firewall by")
		}
	}
	w.filtered.Store(false)
	w.talkUntil("packets leave by the device", w.direct)
}

// A packet that the device does not take tries the other ways.
func TestADeviceThatTakesNothing(t *testing.T) {
	w := newWired(t, time.Hour)
	w.talkUntil("the kernel tells the way", w.direct)
	w.must(netlink.LinkSetMTU(w.link(), 150))
	w.emit(172)
	if got := w.call.b.read(w.call.b.rtp, patience); len(got) != 172 {
		t.Errorf("a packet in fragments: %d octets came", len(got))
	}
	w.must(netlink.LinkSetDown(w.link()))
	for range 3 {
		w.emit(172)
	}
	if s := w.call.Close(); s[B].Unsent != 3 {
		t.Errorf("%d packets could not be sent, want 3", s[B].Unsent)
	}
}

// A port that goes down and comes up again carries the call on.
func TestAPortGoesDownAndUp(t *testing.T) {
	w := newWired(t, 20*time.Millisecond)
	w.talkUntil("the kernel tells the way", w.direct)
	w.must(netlink.LinkSetDown(w.link()))
	w.emit(172)
	w.must(netlink.LinkSetUp(w.link()))
	w.talkUntil("packets arrive again, and leave by the device", func() bool { return w.arrives() && w.direct() })
}

// The box loses the address in the middle of a call.
func TestAnAddressIsTakenAway(t *testing.T) {
	w := newWired(t, 20*time.Millisecond)
	w.talkUntil("the kernel tells the way", w.direct)
	a, err := netlink.ParseAddr("10.0.0.1/24")
	w.must(err)
	w.must(netlink.AddrDel(w.link(), a))
	b, err := netlink.ParseAddr("10.0.0.9/24")
	w.must(err)
	w.must(netlink.AddrAdd(w.link(), b))
	for end := time.Now().Add(patience); w.direct(); time.Sleep(5 * time.Millisecond) {
		if w.emit(172); time.Now().After(end) {
			t.Fatal("packets from an address that the box has no more leave by the device")
		}
	}
	for range 20 {
		w.emit(172)
		if w.direct() {
			t.Fatal("a way for an address that the box has no more")
		}
	}
}

// The kernel chooses the routing table by the address that a packet comes from, which it does not take from headers of ours.
func TestTheKernelIsToldWhereAPacketComesFrom(t *testing.T) {
	w := newWired(t, time.Hour)
	th, l := w.relay.threads[0], &w.call.legs[B]
	th.do(func() {
		b := th.batch
		queue := func(by *route) *mmsghdr {
			b.n = 0
			b.add(l.local.ports[rtp], l.remote.dest[rtp], by, th.slotOfOurs(), 172)
			return &b.heads[0]
		}
		sent := queue(nil).head
		info := b.sources[0].info.Spec_dst
		if sent.Control == nil || info != [4]byte{10, 0, 0, 1} || b.sendMany(b.raw, 0, 1) != 1 {
			t.Errorf("source %v", info)
		}
		b.sources[0].info.Spec_dst = [4]byte{224, 0, 0, 1}
		if b.sendMany(b.raw, 0, 1) != 0 {
			t.Error("the kernel does not look at it")
		}
		if past := queue(&route{}).head; past.Control != nil {
			t.Error("a packet past the kernel tells it more than the device")
		}
		b.n = 0
	})
}
