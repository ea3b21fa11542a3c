package vrrp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/pair"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

var virtual = netip.MustParseAddr("192.168.1.1")

// ports are those of the two boxes in a LAN.
func ports() (one, two Port) {
	one = Port{Own: netip.MustParsePrefix("192.168.1.2/24"), Others: netip.MustParseAddr("192.168.1.3"), Virtual: []netip.Addr{virtual}}
	two = Port{Own: netip.MustParsePrefix("192.168.1.3/24"), Others: netip.MustParseAddr("192.168.1.2"), Virtual: []netip.Addr{virtual}}
	return one, two
}

func TestABoxHearsTheOther(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	if one.has(virtual) {
		t.Error("it returned, and the kernel still has it")
	}
	until(t, "the state says so", func() bool { return !r.State()[0].Held })
}

func TestThePortTellsItsLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.add("one", "192.168.1.2/24")
	p1, _ := ports()
	changed := make(chan struct{}, 100)
	r, _ := one.router(Options{Changed: func() { changed <- struct{}{} }}, p1)
	carrier := func() bool { return r.State()[0].Carrier }
	until(t, "the link is there", carrier)
	w.plug(one, false)
	until(t, "it is told that the link is gone", func() bool { return len(changed) > 0 && !carrier() })
	told := len(changed)
	w.plug(one, true)
	until(t, "it is told that the link is back", func() bool { return len(changed) > told && carrier() })
}

// A hung box cannot give up its addresses, and its kernel goes on to answer for them. It is stopped right behind a renewal or right before one; the kernel
// counts whole seconds.
func TestAHungBoxLosesItsAddresses(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			w := newWorld(t)
			one := w.add("one", "192.168.1.2/24")
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), hangs+"=1")
			cmd.Stderr = t.Output()
			var said bytes.Buffer
			cmd.Stdout = &said
			process := must(one.Start(cmd))(t)
			until(t, "it holds the address", func() bool { return one.has(virtual) })
			check(t, cmd.Process.Signal(signal))
			began := time.Now()
			until(t, "the kernel removes the address", func() bool { return !one.has(virtual) })
			t.Logf("gone after %v", time.Since(began).Round(time.Millisecond))
			if signal == syscall.SIGKILL {
				<-process.Done()
				return
			}
			check(t, cmd.Process.Signal(syscall.SIGCONT)) // it goes on, and does not take them again
			<-process.Done()
			if said.String() != "over\n" || one.has(virtual) {
				t.Errorf("%q, and the address is there: %v", said.String(), one.has(virtual))
			}
		})
	}
}

func TestAddressesGoWithTheTerm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.add("one", "192.168.1.2/24")
	p1, _ := ports()
	var term pair.Term
	term.Extend(time.Hour)
	r, _ := one.router(Options{Term: &term}, p1)
	check(t, r.Hold(context.Background()))
	term.End()
	until(t, "the address is given up", func() bool { return !r.State()[0].Held })
	if one.has(virtual) {
		t.Error("the kernel has it")
	}
	term.Extend(time.Hour) // the box was slow, and goes on
	until(t, "the address is back", func() bool { return r.State()[0].Held && one.has(virtual) })
	check(t, r.Release(context.Background()))
	term.End()
	if err := r.Hold(context.Background()); !errors.Is(err, errTermOver) || one.has(virtual) {
		t.Errorf("held without a term: %v", err)
	}
}

func TestTheNetworkFollowsTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two, peer := w.add("one", "192.168.1.2/24"), w.add("two", "192.168.1.3/24"), w.add("peer", "192.168.1.100/24")
	p1, p2 := ports()
	p1.Witnesses, p2.Witnesses = addrs("192.168.1.100"), addrs("192.168.1.100")
	r1, _ := one.router(Options{}, p1)
	r2, _ := two.router(Options{}, p2)
	ctx := context.Background()
	at := func(h *host) func() bool {
		return func() bool { return peer.knows(virtual) == h.device().Attrs().HardwareAddr.String() }
	}
	check(t, r1.Hold(ctx))
	check(t, r1.Announce(ctx))
	until(t, "the peer knows it at one", at(one))
	check(t, r1.Release(ctx))
	tap := peer.tap()
	check(t, r2.Hold(ctx))
	if said := tshark(t, tap, "arp.src.proto_ipv4 == 192.168.1.1", "arp.opcode"); said != "" {
		t.Error("announced at once: the sockets are not there yet")
	}
	until(t, "the peer knows it at two", at(two)) // by itself
	until(t, "one finds that another box has it", func() bool {
		s := r1.State()[0]
		return s.Taken && s.By == two.device().Attrs().HardwareAddr.String()
	})
	// A split: both hold it, and neither hears the other.
	until(t, "two is heard", func() bool { return r2.State()[0].Virtual == pair.WitnessHeard })
	check(t, r1.Hold(ctx))
	until(t, "two finds that the network has it elsewhere", func() bool {
		s := r2.State()[0]
		return s.Held && s.Virtual == pair.WitnessSilent && s.Witness == pair.WitnessHeard && s.Taken
	})
	// After it the one that is left says again where the address is.
	check(t, r1.Release(ctx))
	check(t, r2.Announce(ctx))
	until(t, "two is heard again", func() bool { return r2.State()[0].Virtual == pair.WitnessHeard })
	until(t, "the claim is forgotten", func() bool { s := r2.State()[0]; return !s.Taken && s.By == "" })
}

func TestASuccessorTakesAddressesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.add("one", "192.168.1.2/24")
	p1, _ := ports()
	r, stop := one.router(Options{}, p1)
	ctx := context.Background()
	check(t, r.Hold(ctx))
	check(t, r.Leave(ctx))
	stop()
	if !one.has(virtual) {
		t.Fatal("it went with the router")
	}
	if r.Hold(ctx) == nil {
		t.Error("a router that has ended holds addresses")
	}
	next, stop := one.router(Options{}, p1)
	if !one.has(virtual) {
		t.Error("the next router has removed it")
	}
	check(t, next.Hold(ctx))
	stop()
	if one.has(virtual) {
		t.Error("it outlives the next router")
	}
}

func TestADeviceGoesAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.add("one", "192.168.1.2/24")
	p1, _ := ports()
	r, _ := one.router(Options{}, p1)
	ctx := context.Background()
	check(t, r.Hold(ctx))
	w.unplug(one)
	until(t, "it is closed", func() bool { s := r.State()[0]; return !s.Open && s.Why != "" && !s.Held })
	if err := r.Advertise(100); err == nil {
		t.Error("sent without a device")
	}
	if err := r.Hold(ctx); err == nil {
		t.Error("held without a device")
	}
	w.connect(one, "192.168.1.2/24")
	until(t, "it holds the address again", func() bool { return r.State()[0].Held && one.has(virtual) })
	check(t, r.Advertise(100))
}

func TestIPv6IsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.add("one", "192.168.1.2/24")
	p1, _ := ports()
	p1.Virtual, p1.Witnesses = addrs("fd00::1", "192.168.1.1"), addrs("fd00::2")
	r, stop := one.router(Options{}, p1)
	check(t, r.Hold(context.Background()))
	check(t, r.Advertise(100))
	if !one.has(virtual) {
		t.Error("the address of IPv4 is not held")
	}
	stop()
	p1.Own = netip.MustParsePrefix("fd00::3/64")
	p1.Name, p1.Device = "if_eth00", "eth0"
	r = New(Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Ports: []Port{p1}, Within: one.Do})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	until(t, "it says why it is not open", func() bool { return r.State()[0].Why == errNoIPv4.Error() })
	if r.Advertise(100) == nil {
		t.Error("advertised from IPv6")
	}
	cancel()
	running.Wait()
}

func TestAWitnessFallsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, peer := w.add("one", "192.168.1.2/24"), w.add("peer", "192.168.1.100/24")
	p1, _ := ports()
	p1.Witnesses = addrs("192.168.1.99", "192.168.1.100") // nobody is at the first
	r, _ := one.router(Options{}, p1)
	if s := r.State()[0]; s.Witness != pair.WitnessNone {
		t.Errorf("before any answer: %v", s.Witness)
	}
	until(t, "it is heard", func() bool {
		s := r.State()[0]
		return s.Witness == pair.WitnessHeard && s.Asked == p1.Witnesses[1]
	})
	w.plug(peer, false)
	until(t, "it is silent", func() bool { return r.State()[0].Witness == pair.WitnessSilent })
	w.plug(peer, true)
	until(t, "it is heard again", func() bool { return r.State()[0].Witness == pair.WitnessHeard })
}

func TestOthersAreCountedAndNotObeyed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two, stranger := w.add("one", "192.168.1.2/24"), w.add("two", "192.168.1.3/24"), w.add("stranger", "192.168.1.66/24")
	p1, p2 := ports()
	heard := make(chan Heard, 10000)
	r1, _ := one.router(Options{Heard: func(h Heard) { heard <- h }}, p1)
	r2, _ := two.router(Options{}, p2)
	until(t, "the network carries", func() bool { check(t, r2.Advertise(1)); return len(heard) > 0 })

	own := netip.MustParseAddr("192.168.1.66")
	flood := stranger.raw(hops)
	good := must(Advert{Router: 51, Priority: 255, Interval: time.Second, Addresses: addrs("192.168.1.1")}.Append(nil, own))(t)
	for range 5000 { // far more than a buffer holds
		flood(good)
	}
	flood(must(Advert{Router: 52, Priority: 255, Interval: time.Second, Addresses: addrs("192.168.1.1")}.Append(nil, own))(t)) // another pair
	until(t, "the stranger is counted", func() bool { s := r1.State()[0]; return s.Foreign >= 2 && s.Foreigner == own })
	before := r1.State()[0].Received
	check(t, r2.Advertise(2))
	until(t, "the other box is heard beside it", func() bool { return r1.State()[0].Received > before })

	routed, spoiled := two.raw(hops-1), two.raw(hops)
	body := must(Advert{Router: 51, Priority: 255, Interval: time.Second, Addresses: addrs("192.168.1.1")}.Append(nil, p2.Own.Addr()))(t)
	routed(body)
	until(t, "what has passed a router is not understood", func() bool { s := r1.State()[0]; return s.Invalid == 1 && s.Fault == errRouted.Error() })
	body[2]--
	spoiled(body)
	until(t, "what is spoiled is not understood", func() bool { s := r1.State()[0]; return s.Invalid == 2 && s.Fault == errChecksum.Error() })
	for range len(heard) {
		if h := <-heard; h.From != p1.Others || h.Priority > 2 {
			t.Fatalf("obeyed: %+v", h)
		}
	}
}

// Who sends in the name of the other box as fast as he can is looked at now and then.
func TestAFloodInTheNameOfTheOtherBox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.add("one", "192.168.1.2/24"), w.add("two", "192.168.1.3/24")
	p1, p2 := ports()
	r, _ := one.router(Options{}, p1)
	flood := two.raw(hops)
	body := must(Advert{Router: 51, Priority: 1, Interval: 100 * time.Millisecond, Addresses: addrs("192.168.1.1")}.Append(nil, p2.Own.Addr()))(t)
	sent := uint64(0)
	until(t, "the flood is noticed", func() bool {
		for range 100 {
			flood(body)
		}
		sent += 100
		s := r.State()[0]
		return s.Crowded(time.Now())
	})
	if s := r.State()[0]; s.Received > sent/4 || s.Crowded(time.Now().Add(time.Hour)) {
		t.Errorf("%d of %d packets are looked at", s.Received, sent)
	}
}

// raw has a host send packets of VRRP with so many hops.
func (h *host) raw(hops int) func([]byte) {
	var c *ipv4.PacketConn
	check(h.t, h.Do(func() error {
		conn, err := new(net.ListenConfig).ListenPacket(context.Background(), "ip4:112", "0.0.0.0")
		if err != nil {
			return err
		}
		h.t.Cleanup(func() { conn.Close() })
		c = ipv4.NewPacketConn(conn)
		device, err := net.InterfaceByName("eth0")
		return errors.Join(err, c.SetMulticastInterface(device), c.SetMulticastTTL(hops))
	}))
	return func(b []byte) {
		_, err := c.WriteTo(b, nil, &net.IPAddr{IP: group.AsSlice()})
		check(h.t, err)
	}
}
