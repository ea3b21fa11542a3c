package media

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/srtp"
	"viaduct/appliance/steer"

	"golang.org/x/sys/unix"
)

// Ports of one number at several addresses, IPv6 among them, and sessions on several threads are told apart.
func TestPortsOfOneNumber(t *testing.T) {
	eachWay(t, Options{Threads: 2}, func(t *testing.T, r *Relay) {
		hosts := []string{"127.0.0.5", "127.0.0.6", "127.0.0.7", "::1"}
		var calls []*callOf
		for i := range hosts {
			c := &callOf{Session: r.NewSession(), a: newPeer(t, hosts[i]), b: newPeer(t, hosts[(i+1)%len(hosts)])}
			t.Cleanup(func() { c.Close() })
			for side, p := range []*peer{c.a, c.b} {
				first := uint16(31010 + 2*side)
				var err error
				if p.to, err = c.Open(Side(side), PortOptions{Addr: at(p.rtp).Addr(), First: first, Last: first + 1}); err != nil {
					t.Fatal(err)
				}
			}
			local, remote := c.a.secure(srtp.AES80)
			c.pa, c.pb = c.a.params(local, remote), c.b.params(nil, nil)
			c.set(t)
			calls = append(calls, c)
		}
		for range 5 {
			for _, c := range calls {
				c.talk(t)
			}
		}
		for _, c := range calls {
			for side, s := range c.Close() {
				if s.Received != 5 || s.Sent != 5 || s.Foreign+s.AuthFailed+s.KernelDrops != 0 {
					t.Errorf("side %v: %+v", Side(side), s)
				}
			}
		}
	})
}

// A port is the relay's from Open to Close only. What comes to other ports of the range, and before and after, is others'.
func TestPortsOfOthersAreLeftAlone(t *testing.T) {
	eachWay(t, Options{}, func(t *testing.T, r *Relay) {
		o := PortOptions{Addr: netip.MustParseAddr("127.0.0.5"), First: 31020, Last: 31021}
		phone := newPeer(t, "127.0.0.1")
		somebodyElse := func(when string) {
			t.Helper()
			c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(o.Addr, o.First)))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			phone.write(phone.rtp, at(c), []byte(when))
			if b := phone.read(c, patience); string(b) != when {
				t.Errorf("%s the port was open: nothing came", when)
			}
		}
		s := r.NewSession()
		somebodyElse("before")
		ports, err := s.Open(A, o)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(ports.RTP)); err == nil {
			c.Close()
			t.Error("a port of a session is free for others")
		}
		s.Close()
		somebodyElse("after")
	})
}

// Until signalling says who sends, nobody is let in.
func TestNobodyIsAdmittedBeforeSet(t *testing.T) {
	eachWay(t, Options{}, func(t *testing.T, r *Relay) {
		s := r.NewSession()
		ports, err := s.Open(A, PortOptions{Addr: netip.MustParseAddr("127.0.0.5")})
		if err != nil {
			t.Fatal(err)
		}
		early := newPeer(t, "127.0.0.1")
		early.to = ports
		for range 3 {
			early.send(8)
		}
		(&callOf{Session: s}).until(A, func(f Stats) bool { return f.Foreign+f.Received+f.Invalid >= 3 })
		if f := s.Close()[A]; f.Foreign != 3 || f.Received+f.Invalid != 0 {
			t.Errorf("%+v", f)
		}
	})
}

// The socket that all ports share has a port of its own, which the program does not guard: nobody may fill its queue there.
func TestTheSharedSocketCannotBeReached(t *testing.T) {
	r := running(t, Options{})
	call(t, r, "").talk(t)
	for family, fd := range r.steering.Sockets(0) {
		var at netip.AddrPort
		switch name, err := unix.Getsockname(fd); a := name.(type) {
		case *unix.SockaddrInet4:
			at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 2}), uint16(a.Port))
		case *unix.SockaddrInet6:
			if at = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)); !at.Addr().IsLoopback() {
				t.Errorf("it is bound to %v", at)
			}
			continue
		default:
			t.Fatal(family, name, err)
		}
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("port %v: %v", at, err)
		}
	}
}

// Two relays in one network namespace, and two sessions that send to each other.
func TestRelaysBesideEachOther(t *testing.T) {
	one, two := call(t, running(t, Options{}), srtp.AES80), call(t, running(t, Options{}), "")
	for range 3 {
		one.talk(t)
		two.talk(t)
	}
}

// What comes too fast stays in the kernel: strangers before the peer is known, whom nothing tells from it, and a forged source.
// The signalled host does not wait for the strangers.
func TestAFloodThatCannotBeToldFromThePeer(t *testing.T) {
	const many = 5000
	burst := func(p *peer) (limit uint64) {
		_, wire := p.packet(8)
		began := time.Now()
		for range many {
			p.write(p.rtp, p.to.RTP, wire)
		}
		return uint64((steer.PacketBurst+time.Since(began)+50*time.Millisecond)/steer.PacketEvery) + 1
	}
	r := running(t, Options{})
	c := call(t, r, srtp.AES80)
	stranger := newPeer(t, "127.0.0.9")
	stranger.to = c.a.to
	stranger.secure(srtp.AES80)
	limit := burst(stranger)
	c.talk(t)
	s := c.until(A, func(s Stats) bool { return s.AuthFailed+s.KernelDrops+s.Foreign >= many })
	if s.AuthFailed == 0 || s.AuthFailed+s.KernelDrops+s.Foreign != many || s.Received != 1 || s.AuthFailed > limit {
		t.Errorf("before the peer was known, %d at most: %+v", limit, s)
	}
	burst(stranger)
	c.talk(t)
	if again := c.until(A, func(now Stats) bool { return now.Foreign >= s.Foreign+many }); again.Foreign != s.Foreign+many || again.AuthFailed != s.AuthFailed {
		t.Errorf("when it was known: %+v", again)
	}
	before := c.Stats(A).KernelDrops
	limit = burst(c.a)
	time.Sleep(300 * time.Millisecond) // the next ones are not too many any more
	c.b.receive()
	c.talk(t)
	if s := c.until(A, func(s Stats) bool { return s.Replayed+1+s.KernelDrops-before >= many }); s.Replayed == 0 || s.Replayed+1+s.KernelDrops-before != many || s.Replayed > limit {
		t.Errorf("under its name, %d at most: %+v", limit, s)
	}
}

// Without capabilities ports are read and packets sent one by one, which is said.
func TestWithoutPrivileges(t *testing.T) {
	var log bytes.Buffer
	r := running(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	prepared := make(chan error)
	go func() {
		runtime.LockOSThread() // it is never unlocked: this thread ends with its lack of capabilities
		var none [2]unix.CapUserData
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
		prepared <- errors.Join(err, r.prepare())
	}()
	if err := <-prepared; err != nil {
		t.Fatal(err)
	}
	if r.steering != nil || !strings.Contains(log.String(), "media ports are read one by one") || !strings.Contains(log.String(), "media packets are sent one by one") {
		t.Errorf("steering %v; the log has\n%s", r.steering, log.String())
	}
	c := call(t, r, srtp.AES80)
	for range 3 {
		c.talk(t)
	}
}

// Where one thread cannot read the shared socket, none does.
func TestAThreadThatCannotShare(t *testing.T) {
	r := New(Options{Threads: 2, Log: slog.New(slog.DiscardHandler)})
	defer r.end()
	epoll := r.threads[1].sockets.epoll
	r.threads[1].sockets.epoll = -1
	if err := r.prepare(); err != nil || r.steering != nil {
		t.Errorf("steering %v, %v", r.steering, err)
	}
	r.threads[1].sockets.epoll = epoll
	for _, thread := range r.threads {
		if len(thread.sockets.shared) > 0 || len(thread.sockets.free) != len(thread.sockets.list) {
			t.Errorf("thread %d reads sockets that are closed", thread.number)
		}
	}
}

// The relay works in the network namespace of whoever opens its first port.
func TestPortsInANetworkNamespace(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(way(own), func(t *testing.T) {
			runtime.LockOSThread() // it is never unlocked: this thread ends with the test
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				t.Fatal(err)
			}
			lo, err := unix.NewIfreq("lo")
			if err != nil {
				t.Fatal(err)
			}
			lo.SetUint16(unix.IFF_UP)
			s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(s)
			r := running(t, Options{ownSockets: own})
			if err := errors.Join(r.prepare(), unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)); err != nil { // not even its loopback was up
				t.Fatal(err)
			}
			c := call(t, r, srtp.AES80)
			c.talk(t)
			if own != (r.steering == nil) {
				t.Error("ports are not read as they should be")
			}
		})
	}
}
