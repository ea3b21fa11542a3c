package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"viaduct/appliance/media/ports"
	"viaduct/appliance/media/reports"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	pionrtcp "github.com/pion/rtcp"
	pion "github.com/pion/srtp/v2"
	"golang.org/x/sys/unix"
)

// What RFC 3711, RFC 4568 and RFC 5761 ask of a secure side, through the relay.

// sealed are packets that A has made ready, to be sent in any order.
func (p *peer) sealed(n int) (wire [][]byte) {
	for range n {
		_, w := p.packet(8)
		wire = append(wire, bytes.Clone(w))
	}
	return wire
}

// RFC 3711 section 3.3.2: what lies in the window is taken once, what lies before it never.
func TestEdgesOfTheReplayWindow(t *testing.T) {
	for _, suite := range []string{srtp.AES80, srtp.GCM256} {
		c := call(t, running(t, Options{}), suite)
		c.a.seq = 65400 // the window lies across the roll-over
		c.talk(t)
		wire := c.a.sealed(srtp.WindowSize + 2)
		newest := len(wire) - 1
		for _, step := range []struct {
			packet int
			passes bool
		}{
			{newest, true}, {newest - srtp.WindowSize + 1, true}, {newest - srtp.WindowSize + 1, false}, {newest - srtp.WindowSize, false}, {0, false},
			{newest - 1, true}, {newest - 1, false}, {newest, false}, {newest - srtp.WindowSize + 2, true},
		} {
			before := c.Stats(A).Replayed
			c.a.write(c.a.rtp, c.a.to.RTP, wire[step.packet])
			if step.passes {
				c.b.receive()
			} else if s := c.until(A, func(s Stats) bool { return s.Replayed > before }); s.Replayed != before+1 || c.b.read(c.b.rtp, ms) != nil {
				t.Errorf("%s: packet %d was taken: %+v", suite, step.packet-newest, s)
			}
		}
	}
}

// RFC 3711 section 3.2.3: each SSRC has a roll-over counter of its own under a key, kept while others speak.
func TestEachSSRCHasItsRollOverCounter(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	first, second := c.a.ssrc, c.a.ssrc+1
	turn := func(ssrc uint32, seq uint16, packets int) uint16 {
		t.Helper()
		c.a.ssrc, c.a.seq = ssrc, seq
		for range packets {
			c.talk(t)
		}
		return c.a.seq
	}
	one := turn(first, 65530, 20) // rolls over
	two := turn(second, 65000, 5) // does not
	turn(first, one, 5)
	two = turn(second, two, 5)
	for n := range uint32(10) { // and others that come and go do not disturb them while they speak
		turn(second+1+n, uint16(1000*n), 2)
		two = turn(second, two, 2)
	}
	if s := c.Stats(A); s.AuthFailed+s.Replayed != 0 {
		t.Errorf("%+v", s)
	}
}

// A peer that leaves out numbers, as far as a receiver can follow (2^15, RFC 3711 section 3.3.1), and sends in another order.
func TestJumpsAndDisorderOfASecurePeer(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES32)
	c.talk(t)
	for _, jump := range []uint16{5, 200, 3000, 20000, 32000, 32767, 32000} {
		c.a.seq += jump - 1
		c.talk(t)
	}
	wire := c.a.sealed(6)
	var numbers []int
	for _, n := range []int{1, 0, 5, 3, 4, 2} {
		c.a.write(c.a.rtp, c.a.to.RTP, wire[n])
		numbers = append(numbers, int(seqOf(c.b.receive()))-n)
	}
	for _, n := range numbers {
		if uint16(n) != uint16(numbers[0]) {
			t.Fatalf("the order of the packets is lost: %v", numbers)
		}
	}
	s := c.Stats(A)
	if s.AuthFailed+s.Replayed+s.Duplicates+s.Late != 0 || s.Received != 8+6 {
		t.Errorf("%+v", s)
	}
}

// RFC 4568 section 6.1: the key of an a=crypto line with an MKI has it in each packet, in the directions that said so.
func TestPacketsWithAnMKI(t *testing.T) {
	for _, suite := range srtp.Suites {
		for _, mki := range [][2][]byte{{{1}, nil}, {nil, {1}}, {{0, 7}, {1, 2, 3, 4}}, {srtptest.Random(128), srtptest.Random(128)}} {
			c := call(t, running(t, Options{}), "")
			ours, theirs := srtptest.Key(suite), srtptest.Key(suite)
			ours.MKI, theirs.MKI = mki[0], mki[1]
			context := func(k srtp.Key) *pion.Context {
				if k.MKI == nil {
					return srtptest.Pion(t, k)
				}
				return srtptest.Pion(t, k, pion.MasterKeyIndicator(k.MKI))
			}
			c.a.in, c.a.out = context(ours), context(theirs)
			c.pa = c.a.params(&ours, &theirs)
			c.set(t)
			for range 3 {
				c.talk(t)
			}
			c.reportsBothWays(t)
			for side, s := range c.Close() {
				if s.AuthFailed+s.Replayed+s.Invalid != 0 || s.Received != 3 {
					t.Errorf("%s, MKI %v: side %v %+v", suite, mki, Side(side), s)
				}
			}
		}
	}
}

// RTCP of both sides with every combination of mux, plain and secure (RFC 5761 section 5.1): it goes to the port that was agreed,
// and a report that is replayed, forged or plain does not pass.
func TestRTCPWithAndWithoutMux(t *testing.T) {
	r := running(t, Options{})
	for _, suite := range []string{"", srtp.AES80, srtp.AES32, srtp.GCM128, srtp.GCM256} {
		for mux := range 4 {
			t.Run(fmt.Sprintf("%s mux %02b", suite, mux), func(t *testing.T) {
				c := call(t, r, suite)
				c.pa.Mux, c.pb.Mux = mux&1 != 0, mux&2 != 0
				c.set(t)
				c.talk(t)
				port := func(p *peer, muxed bool) (*net.UDPConn, netip.AddrPort) {
					if muxed {
						return p.rtp, p.to.RTP
					}
					return p.rtcp, p.to.RTCP
				}
				a, toA := port(c.a, c.pa.Mux)
				b, toB := port(c.b, c.pb.Mux)
				report := func(p *peer) []byte {
					plain, err := pionrtcp.Marshal([]pionrtcp.Packet{&pionrtcp.ReceiverReport{SSRC: p.ssrc}})
					if err != nil {
						t.Fatal(err)
					}
					return plain
				}
				wire := report(c.a)
				if suite != "" {
					var err error
					if wire, err = c.a.out.EncryptRTCP(nil, report(c.a), nil); err != nil {
						t.Fatal(err)
					}
				}
				c.a.write(a, toA, wire)
				if got := c.b.read(b, patience); len(got) < 8 || got[1] != reports.ReceiverReport {
					t.Errorf("B got %x", got)
				}
				c.b.write(b, toB, report(c.b))
				got := c.a.read(a, patience)
				if suite != "" {
					var err error
					if got, err = c.a.in.DecryptRTCP(nil, got, nil); err != nil {
						t.Fatal(err)
					}
				}
				if len(got) < 8 || got[1] != reports.ReceiverReport {
					t.Errorf("A got %x", got)
				}
				if suite == "" {
					return
				}
				next, err := c.a.out.EncryptRTCP(nil, report(c.a), nil)
				if err != nil {
					t.Fatal(err)
				}
				forged := bytes.Clone(next)
				forged[len(forged)-1] ^= 1
				for _, bad := range [][]byte{wire, forged, report(c.a)} {
					c.a.write(a, toA, bad)
				}
				c.until(A, func(s Stats) bool { return s.Replayed+s.AuthFailed >= 3 })
				if c.b.read(b, 30*ms) != nil {
					t.Error("a bad report passed")
				}
				if s := c.Stats(A); s.Replayed != 1 || s.AuthFailed != 2 || s.RTCPReceived != 1 {
					t.Errorf("%+v", s)
				}
				c.a.write(a, toA, next)
				if c.b.read(b, patience) == nil {
					t.Error("the next report did not pass")
				}
			})
		}
	}
}

// RTP and RTCP carry the mark, whichever way they leave: through the thread's raw socket or through the port's own.
func TestEveryPacketCarriesTheMark(t *testing.T) {
	r := running(t, Options{})
	for _, c := range []struct {
		tos  int
		want byte
	}{{0, ports.EF}, {0x88, 0x88}, {-1, 0}} {
		for _, raw := range []bool{true, false} {
			s := r.NewSession()
			defer s.Close()
			a, b := newPeer(t, "127.0.0.1"), newPeer(t, "127.0.0.2")
			for side, p := range []*peer{a, b} {
				var err error
				if p.to, err = s.Open(Side(side), PortOptions{Addr: netip.AddrFrom4([4]byte{127, 0, 0, byte(3 + side)}), First: 20000, Last: 29999, TOS: c.tos}); err != nil {
					t.Fatal(err)
				}
				if err := s.Set(Side(side), p.params(nil, nil)); err != nil {
					t.Fatal(err)
				}
			}
			if !raw {
				kept := 0
				s.thread.do(func() { kept, s.thread.batch.raw = s.thread.batch.raw, -1 })
				defer s.thread.do(func() { s.thread.batch.raw = kept })
			}
			a.send(8)
			a.write(a.rtcp, a.to.RTCP, srtptest.Report(a.ssrc))
			for name, conn := range map[string]*net.UDPConn{"RTP": b.rtp, "RTCP": b.rtcp} {
				if got := tosOf(t, conn); got != c.want {
					t.Errorf("%s, raw %v: TOS %#x, want %#x", name, raw, got, c.want)
				}
			}
		}
	}
}

// tosOf waits for a packet and returns its mark.
func tosOf(t *testing.T, c *net.UDPConn) byte {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err2 := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1) })
		if err2 != nil {
			err = err2
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	b, oob := make([]byte, 2048), make([]byte, 64)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	_, n, _, _, err := c.ReadMsgUDPAddrPort(b, oob)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%v %v", messages, err)
	}
	return messages[0].Data[0]
}

// A side on IPv6, the other on IPv4, RTP and RTCP, in both directions, strangers and a flood among it.
func TestASideOnIPv6(t *testing.T) {
	r := running(t, Options{})
	s := r.NewSession()
	defer s.Close()
	c := &callOf{Session: s, a: newPeer6(t), b: newPeer(t, "127.0.0.2")}
	var err error
	if c.a.to, err = c.Open(A, PortOptions{Addr: netip.IPv6Loopback(), First: 20000, Last: 29999}); err != nil {
		t.Fatal(err)
	}
	if c.b.to, err = c.Open(B, PortOptions{Addr: netip.MustParseAddr("127.0.0.4"), First: 20000, Last: 29999}); err != nil {
		t.Fatal(err)
	}
	local, remote := c.a.secure(srtp.AES80)
	c.pa, c.pb = c.a.params(local, remote), c.b.params(nil, nil)
	c.set(t)
	for range 5 {
		c.talk(t)
	}
	c.reportsBothWays(t)
	stranger := newPeer6(t)
	stranger.to = c.a.to
	for range 50 {
		stranger.send(8)
	}
	c.b.nothing("stranger")
	if f := c.until(A, func(s Stats) bool { return s.Foreign+s.KernelDrops >= 50 }); f.Foreign+f.KernelDrops != 50 || f.AuthFailed != 0 {
		t.Errorf("%+v", f)
	}
	c.talk(t)
}

func newPeer6(t *testing.T) *peer {
	t.Helper()
	p := &peer{t: t, ssrc: binary.BigEndian.Uint32(srtptest.Random(4)), seq: 1000}
	for _, c := range []**net.UDPConn{&p.rtp, &p.rtcp} {
		var err error
		if *c, err = net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { (*c).Close() })
	}
	return p
}

// A peer that has offered a new key goes on with the old one until it has our answer. Nothing of that is lost, and with its first
// packet under the new key, which begins at roll-over counter 0, the old one is over.
func TestVoiceUnderTheOldKeyUntilTheNewOneComes(t *testing.T) {
	r := running(t, Options{})
	for _, suites := range [][2]string{{srtp.AES80, srtp.AES80}, {srtp.GCM128, srtp.GCM128}, {srtp.AES80, srtp.GCM256}, {srtp.GCM256, srtp.AES32}} {
		c := call(t, r, suites[0])
		c.a.seq = 65530
		for range 10 {
			c.talk(t) // across the roll-over
		}
		old := c.a.out
		c.pa.LocalKey, c.pa.RemoteKey = c.a.secure(suites[1])
		next := c.a.out
		c.set(t)
		c.a.out = old
		for range 5 {
			c.talk(t)
		}
		late := c.a.sealed(1)[0]
		c.a.out = next
		for range 5 {
			c.talk(t)
		}
		c.a.write(c.a.rtp, c.a.to.RTP, late)
		c.b.nothing("the old key after the new one")
		if s := c.until(A, func(s Stats) bool { return s.AuthFailed > 0 }); s.AuthFailed != 1 || s.Replayed != 0 || s.Received != 20 {
			t.Errorf("%v: %+v", suites, s)
		}
	}
}

// Who comes from another place is another peer: the one before, with the old key, is not learnt in its stead.
func TestTheOldKeyIsOverWhenThePeerMoves(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	old := *c.a
	moved := newPeer(t, "127.0.0.7")
	moved.to = c.a.to
	c.a = moved
	local, remote := moved.secure(srtp.AES80)
	c.pa = moved.params(local, remote)
	c.pa.Latch = LatchHost
	c.set(t)
	old.send(8)
	c.b.nothing("the old peer")
	c.talk(t)
	if s := c.Stats(A); s.Source != at(moved.rtp) {
		t.Errorf("%+v", s)
	}
}

// A peer that never uses its new key, or is silent, does not keep the old one alive.
func TestTheOldKeyIsOverWithTime(t *testing.T) {
	p := newPath(t)
	p.both()
	a := &p.s.legs[A]
	local, remote := srtptest.Key(srtp.AES80), srtptest.Key(srtp.AES80)
	if err := p.s.Set(A, Params{Remote: a.remote.signal[rtp].Netip(), Mux: true, Keys: Keys{&local, &remote}, Latch: LatchHost, Send: true, Receive: true, AudioPT: 8}); err != nil {
		t.Fatal(err)
	}
	asked := p.t.now
	for _, c := range []struct {
		after time.Duration
		taken uint64
	}{{time.Second, 2}, {31 * time.Second, 3}, {33 * time.Second, 3}} {
		p.t.now = asked + c.after
		p.both()
		if a.stats.received != c.taken || a.stats.received+a.stats.AuthFailed != p.seq {
			t.Errorf("after %v: %d taken, %d not authentic, of %d", c.after, a.stats.received, a.stats.AuthFailed, p.seq)
		}
	}
}
