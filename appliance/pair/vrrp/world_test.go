package vrrp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/lab"
	"viaduct/appliance/pair"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

func TestMain(m *testing.M) {
	if os.Getenv(hangs) != "" {
		holdForEver()
	}
	lab.Enter()
	os.Exit(m.Run())
}

// hangs has the test program be a box of its own, which a test can stop and kill: it holds the virtual address until then.
const hangs = "VIADUCT_VRRP_HANGS"

func holdForEver() {
	p, _ := ports()
	p.Name, p.Device = "if_eth00", "eth0"
	var term pair.Term
	term.Extend(time.Second)
	r := New(Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Router: 51, Interval: 100 * time.Millisecond, Term: &term, Ports: []Port{p}})
	ctx := context.Background()
	go r.Run(ctx)
	held := false
	for range time.Tick(50 * time.Millisecond) {
		if !term.Runs() {
			fmt.Println("over")
			os.Exit(0)
		}
		term.Extend(300 * time.Millisecond)
		if !held {
			held = r.Hold(ctx) == nil
		}
	}
}

// world is a LAN: a switch (a bridge) with hosts, each in a namespace of its own with the device eth0.
type world struct {
	t      testing.TB
	lan    *lab.Namespace
	kernel *netlink.Handle // of the switch
}

// host is a device in the network.
type host struct {
	*lab.Namespace
	t      testing.TB
	name   string
	kernel *netlink.Handle
	inside netns.NsHandle
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, lan: namespace(t, "lan")}
	w.kernel = handle(t, w.lan)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	no := false
	bridge.MulticastSnooping = &no
	check(t, w.kernel.LinkAdd(bridge))
	check(t, w.kernel.LinkSetUp(bridge))
	return w
}

// add makes a host. Its first address is the one that it has for itself.
func (w *world) add(name string, prefixes ...string) *host {
	w.t.Helper()
	h := &host{Namespace: namespace(w.t, name), t: w.t, name: name}
	h.kernel = handle(w.t, h.Namespace)
	check(w.t, h.Do(func() (err error) { h.inside, err = netns.Get(); return err }))
	w.t.Cleanup(func() { h.inside.Close() })
	w.connect(h, prefixes...)
	return h
}

// connect gives a host its device.
func (w *world) connect(h *host, prefixes ...string) {
	w.t.Helper()
	check(w.t, w.kernel.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: h.name}, PeerName: "eth0", PeerNamespace: netlink.NsFd(h.inside)}))
	port := must(w.kernel.LinkByName(h.name))(w.t)
	check(w.t, w.kernel.LinkSetMaster(port, must(w.kernel.LinkByName("br0"))(w.t)))
	check(w.t, w.kernel.LinkSetUp(port))
	device := h.device()
	check(w.t, h.kernel.LinkSetUp(device))
	for _, p := range prefixes {
		check(w.t, h.kernel.AddrAdd(device, must(netlink.ParseAddr(p))(w.t)))
	}
}

// unplug takes the device itself away.
func (w *world) unplug(h *host) {
	check(w.t, w.kernel.LinkDel(must(w.kernel.LinkByName(h.name))(w.t)))
}

// plug puts a host's cable in, or pulls it.
func (w *world) plug(h *host, in bool) {
	port := must(w.kernel.LinkByName(h.name))(w.t)
	if in {
		check(w.t, w.kernel.LinkSetUp(port))
		return
	}
	check(w.t, w.kernel.LinkSetDown(port))
}

func (h *host) device() netlink.Link { return must(h.kernel.LinkByName("eth0"))(h.t) }

// has reports whether the host's kernel has an address.
func (h *host) has(a netip.Addr) bool {
	for _, x := range must(h.kernel.AddrList(h.device(), netlink.FAMILY_V4))(h.t) {
		if x.IP.String() == a.String() {
			return true
		}
	}
	return false
}

// knows returns the hardware address that the host's kernel has for an address, "" when it has none.
func (h *host) knows(a netip.Addr) string {
	for _, n := range must(h.kernel.NeighList(h.device().Attrs().Index, netlink.FAMILY_V4))(h.t) {
		if n.IP.String() == a.String() {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// router has a host be a router of VRRP with one port, until the test ends or stop is called.
func (h *host) router(o Options, p Port) (r *Router, stop func()) {
	o.Log, o.Within = slog.New(slog.NewTextHandler(h.t.Output(), nil)).With("box", h.name), h.Do
	if o.Router == 0 {
		o.Router = 51
	}
	if o.Interval == 0 {
		o.Interval = 100 * time.Millisecond
	}
	if o.Term == nil {
		o.Term = &pair.Term{}
	}
	p.Name, p.Device = "if_eth00", "eth0"
	o.Ports = []Port{p}
	r = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	h.t.Cleanup(stop)
	until(h.t, "the port is open", func() bool { return r.State()[0].Open })
	return r, stop
}

func namespace(t testing.TB, name string) *lab.Namespace {
	n := must(lab.NewNamespace(name))(t)
	t.Cleanup(func() { check(t, n.Close()) })
	return n
}

func handle(t testing.TB, n *lab.Namespace) (h *netlink.Handle) {
	check(t, n.Do(func() (err error) { h, err = netlink.NewHandle(); return err }))
	t.Cleanup(h.Close)
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// must(f())(t) is the value of f, or the end of the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

// until waits for something.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in 20 s not: %s", what)
		}
	}
}

// next waits for the next advertisement.
func next(t testing.TB, heard <-chan Heard) Heard {
	t.Helper()
	select {
	case h := <-heard:
		return h
	case <-time.After(20 * time.Second):
		t.Fatal("in 20 s no advertisement")
		return Heard{}
	}
}
