package media

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"
)

func TestStrangersAreNotRelayed(t *testing.T) { eachWay(t, Options{}, testStrangersAreNotRelayed) }

func testStrangersAreNotRelayed(t *testing.T, r *Relay) {
	for _, suite := range []string{"", srtp.AES80} {
		c := call(t, r, suite)
		c.talk(t)
		before := c.Stats(A).AuthFailed
		stranger := newPeer(t, "127.0.0.1")
		stranger.to, stranger.out, stranger.in = c.a.to, c.a.out, nil
		for range 50 {
			stranger.send(8) // even with the right key
		}
		c.b.nothing("stranger")
		stranger.nothing("answer to a stranger")
		if s := c.until(A, func(s Stats) bool { return s.Foreign+s.KernelDrops >= 50 }); s.Foreign+s.KernelDrops != 50 || s.AuthFailed != before {
			t.Errorf("%+v", s)
		}
		c.talk(t)
	}
}

func TestLatching(t *testing.T) { eachWay(t, Options{}, testLatching) }

func testLatching(t *testing.T, r *Relay) {
	t.Run("an SRTP peer behind NAT is learnt by its first authentic packet", func(t *testing.T) {
		c := call(t, r, srtp.AES80)
		c.pa.Remote = netip.MustParseAddrPort("127.0.0.9:9")
		c.set(t)
		forged := newPeer(t, "127.0.0.8")
		forged.to = c.a.to
		forged.secure(srtp.AES80)
		forged.send(8)
		c.talk(t)
		if s := c.Stats(A); s.AuthFailed != 1 || s.Source != at(c.a.rtp) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("RTCP of an SRTP peer is learnt at the host that its RTP came from, without cryptography for others", func(t *testing.T) {
		c := call(t, r, srtp.AES80)
		c.pa.Remote, c.pa.RemoteRTCP = netip.MustParseAddrPort("127.0.0.9:9"), netip.MustParseAddrPort("127.0.0.9:10")
		c.set(t)
		c.talk(t)
		other := newPeer(t, "127.0.0.8")
		other.write(other.rtcp, c.a.to.RTCP, srtptest.Report(c.a.ssrc))
		c.reportsBothWays(t)
		other.write(other.rtcp, c.a.to.RTCP, srtptest.Report(c.a.ssrc))
		if s := c.until(A, func(s Stats) bool { return s.AuthFailed+s.Foreign >= 2 }); s.AuthFailed != 0 || s.Foreign != 2 || s.RTCPReceived != 1 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a plain peer is learnt at the signalled host only", func(t *testing.T) {
		c := call(t, r, "")
		c.pa.Latch = LatchHost
		c.pa.Remote = netip.AddrPortFrom(at(c.a.rtp).Addr(), 9)
		c.set(t)
		other := newPeer(t, "127.0.0.9")
		other.to = c.a.to
		other.send(8)
		c.b.nothing("another host")
		c.talk(t)
		other.send(8)
		c.b.nothing("another host afterwards")
	})
	t.Run("any host, once, where that is permitted", func(t *testing.T) {
		c := call(t, r, "")
		c.pa.Latch, c.pa.Remote = LatchAny, netip.MustParseAddrPort("127.0.0.9:9")
		c.set(t)
		c.talk(t)
		other := newPeer(t, "127.0.0.9")
		other.to = c.a.to
		other.send(8)
		c.b.nothing("second host")
	})
	t.Run("signalling moves the peer, and the old place is a stranger", func(t *testing.T) {
		c := call(t, r, srtp.AES80)
		c.talk(t)
		old := *c.a
		moved := newPeer(t, "127.0.0.7")
		moved.to, moved.in, moved.out, moved.seq, moved.ssrc = c.a.to, c.a.in, c.a.out, c.a.seq, c.a.ssrc
		c.a, c.pa.Remote, c.pa.RemoteRTCP = moved, at(moved.rtp), at(moved.rtcp)
		c.set(t)
		c.talk(t)
		old.send(8)
		c.b.nothing("old place")
	})
	t.Run("signalling moves the peer, whose voice still comes from the old place at first", func(t *testing.T) {
		for _, suite := range []string{"", srtp.AES80} {
			c := call(t, r, suite)
			c.pa.Latch = LatchHost
			c.set(t)
			c.talk(t)
			old := *c.a
			moved := newPeer(t, at(old.rtp).Addr().String()) // another port of the same host
			moved.to, moved.in, moved.out, moved.seq, moved.ssrc = c.a.to, c.a.in, c.a.out, c.a.seq+10, c.a.ssrc
			c.a, c.pa.Remote, c.pa.RemoteRTCP = moved, at(moved.rtp), at(moved.rtcp)
			c.set(t)
			old.send(8)
			c.b.nothing("old place")
			c.talk(t)
			if s := c.Stats(A); s.Source != at(moved.rtp) {
				t.Errorf("%+v", s)
			}
		}
	})
	t.Run("a peer that has not moved, although signalling says so, is heard after a while", func(t *testing.T) {
		c := call(t, r, "")
		c.pa.Latch = LatchHost
		c.set(t)
		c.talk(t)
		c.pa.Remote = netip.AddrPortFrom(at(c.a.rtp).Addr(), 9)
		c.set(t)
		packets := 0
		for heard := false; !heard && packets < 20*mostStale; packets++ { // some are lost when the machine is busy
			c.a.send(8)
			heard = c.b.read(c.b.rtp, 5*time.Millisecond) != nil
		}
		if packets <= mostStale || packets == 20*mostStale {
			t.Errorf("heard after %d packets", packets)
		}
	})
	t.Run("a peer that comes back before it was heard elsewhere is heard at once", func(t *testing.T) {
		c := call(t, r, "")
		c.pa.Latch = LatchHost
		for _, port := range []uint16{9, 10, 9} { // its packets have another port, as behind NAT
			c.pa.Remote = netip.AddrPortFrom(at(c.a.rtp).Addr(), port)
			c.set(t)
			if port == 9 {
				c.talk(t)
			}
		}
	})
	t.Run("a source that is not admitted is not learnt, authentic as it may be", func(t *testing.T) {
		c := call(t, r, srtp.AES80)
		c.pa.Admit = func(from netip.AddrPort) bool { return from == at(c.a.rtp) || from == at(c.a.rtcp) }
		c.pa.Remote = netip.MustParseAddrPort("127.0.0.9:9999")
		c.set(t)
		other := newPeer(t, "127.0.0.8")
		other.to, other.out, other.ssrc = c.a.to, c.a.out, c.a.ssrc
		other.send(8)
		c.b.nothing("a source outside the peer's network")
		c.b.send(8)
		other.nothing("voice for a source outside the peer's network")
		if s := c.until(A, func(s Stats) bool { return s.Foreign > 0 }); s.Source.IsValid() || s.Foreign != 1 {
			t.Errorf("%+v", s)
		}
		c.a.seq++
		c.talk(t)
	})
	t.Run("without Latch only the signalled port", func(t *testing.T) {
		c := call(t, r, "")
		other := newPeer(t, "127.0.0.1")
		other.to = c.a.to
		other.send(8)
		c.b.nothing("another port")
		c.talk(t)
	})
}

// flood writes the same packet of a stranger to ports in turn until the test ends, about 100,000 a second, and returns how many.
func flood(wire []byte, from *peer, stop <-chan struct{}, to ...netip.AddrPort) (n uint64) {
	for {
		select {
		case <-stop:
			return n
		default:
			_, _ = from.rtp.WriteToUDPAddrPort(wire, to[n%uint64(len(to))])
			if n++; n%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// A flood on all ports of some calls and on none of others: nothing of it is relayed, of 16,000 packets a side less than one in a
// thousand is lost, and neither they nor the calls beside them wait.
func TestAFlood(t *testing.T) { eachWay(t, Options{Log: slog.New(slog.DiscardHandler)}, testAFlood) }

func testAFlood(t *testing.T, r *Relay) {
	const (
		victims = 8
		others  = 8
		packets = 1000
	)
	var calls []*callOf
	var ports []netip.AddrPort
	for n := range victims + others {
		c := call(t, r, []string{srtp.AES80, srtp.GCM128}[n%2])
		c.talk(t)
		c.reportsBothWays(t)
		for _, p := range []*peer{c.a, c.b} {
			if n < victims {
				ports = append(ports, p.to.RTP, p.to.RTCP)
			}
		}
		calls = append(calls, c)
	}
	calm := median(exchange(calls, packets/5))
	stranger := newPeer(t, "127.0.0.9")
	_, wire := stranger.packet(8)
	copy(wire[12:], bytes.Repeat([]byte("foreign "), 20))
	stop, flooding := make(chan struct{}), make(chan uint64)
	go func() { flooding <- flood(wire, stranger, stop, ports...) }()
	time.Sleep(50 * time.Millisecond) // the shields are up after the first few strangers
	heard := exchange(calls, packets)
	close(stop)
	strangers := <-flooding

	var foreign, kernel uint64
	for name, part := range map[string][]arrivals{"victims": heard[:2*victims], "others": heard[2*victims:]} {
		var all []time.Duration
		wrong := 0
		for _, l := range part {
			all, wrong = append(all, l.delays...), wrong+l.wrong
		}
		slices.Sort(all)
		sent := packets * len(part)
		t.Logf("%s: %d of %d packets, delay p50 %v, p99 %v, most %v", name, len(all), sent, all[len(all)/2], all[len(all)*99/100], all[len(all)-1])
		if lost := sent - len(all); lost*1000 >= sent {
			t.Errorf("%s: %d of %d packets lost", name, lost, sent)
		}
		if wrong > 0 {
			t.Errorf("%s: %d packets that nobody of the call sent", name, wrong)
		}
		if half := all[len(all)/2]; half > 100*time.Millisecond+10*calm { // 1 ms on a machine that has nothing else to do
			t.Errorf("%s: half of the packets take %v, and %v without the flood", name, half, calm)
		}
	}
	for n, c := range calls {
		for side, s := range c.Close() {
			if s.AuthFailed+s.Replayed+s.Invalid > 0 || n >= victims && s.Foreign+s.KernelDrops > 0 {
				t.Errorf("call %d side %v: %+v", n, Side(side), s)
			}
			foreign, kernel = foreign+s.Foreign, kernel+s.KernelDrops
		}
	}
	t.Logf("%d strangers: %d seen, %d dropped by the kernel", strangers, foreign, kernel)
	if r.steering != nil && (foreign < strangers*99/100 || kernel > 0) {
		t.Errorf("%d strangers: %d counted, %d packets were too many", strangers, foreign, kernel)
	}
	if r.steering == nil && (foreign == 0 || kernel == 0 || foreign > strangers/4) {
		t.Errorf("%d strangers: %d seen, %d dropped by the kernel", strangers, foreign, kernel)
	}
}

// exchange has both peers of calls send each other so many packets, ten times as fast as voice, and returns what the peers A and B of each have heard.
func exchange(calls []*callOf, packets int) []arrivals {
	const (
		pace = 2 * time.Millisecond // ten times as fast as voice
		most = 50                   // packets under way to a listener
	)
	began := time.Now()
	var listening sync.WaitGroup
	heard := make([]arrivals, 2*len(calls))
	latest := make([]atomic.Int32, len(heard)) // packet that has come
	for n, c := range calls {
		listening.Go(func() { heard[2*n] = c.a.listen(c.b.ssrc, packets, began, &latest[2*n]) })
		listening.Go(func() { heard[2*n+1] = c.b.listen(c.a.ssrc, packets, began, &latest[2*n+1]) })
	}
	behind := func(number int32) bool {
		for n := range latest {
			if number-latest[n].Load() > most {
				return true
			}
		}
		return false
	}
	waits := patience // in all: what is lost does not come any more
	for number := range int32(packets) {
		for _, c := range calls {
			for _, p := range []*peer{c.a, c.b} {
				p.stamp(began, number)
			}
		}
		time.Sleep(pace) // after a time without processor no burst makes up for it
		for ; waits > 0 && behind(number); waits -= pace {
			time.Sleep(pace) // a relay that had no processor meanwhile is not sent more than its sockets hold
		}
	}
	listening.Wait()
	return heard
}

// median is how long half of the packets that were heard were under way.
func median(heard []arrivals) time.Duration {
	var all []time.Duration
	for _, l := range heard {
		all = append(all, l.delays...)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// A flood is told once for each port, until signalling changes who sends.
func TestAFloodIsTold(t *testing.T) {
	var log strings.Builder
	r := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	t.Cleanup(r.end)
	c := call(t, r, "")
	check := func(strangers, excess uint64) (told string) {
		log.Reset()
		p := c.legs[A].local.ports[rtp]
		c.thread.compareDrops(p, p.strangers+strangers, p.excess+excess)
		for _, f := range r.events.queue {
			f()
		}
		r.events.queue = nil
		return log.String()
	}
	const strangers, haste = "media port is flooded", "media port gets more packets than a call has: the rest is dropped"
	for range 2 {
		if told := check(tellAt-1, 0); told != "" {
			t.Errorf("%d strangers: %s", tellAt-1, told)
		}
		if told := check(tellAt, 0); strings.Count(told, strangers) != 1 || strings.Contains(told, haste) {
			t.Errorf("%d strangers: %s", tellAt, told)
		}
		if told := check(0, 7); strings.Count(told, haste) != 1 || !strings.Contains(told, "packets=7") || strings.Contains(told, strangers) {
			t.Errorf("too fast: %s", told)
		}
		if told := check(tellAt, 7); told != "" {
			t.Errorf("told already: %s", told)
		}
		c.set(t)
	}
}

// stamp sends a packet that says when, and which it is.
func (p *peer) stamp(began time.Time, number int32) {
	plain := srtptest.Packet(p.ssrc, p.seq, 160)
	copy(plain[12:], "of this call")
	binary.BigEndian.PutUint32(plain[24:], p.ssrc)
	binary.BigEndian.PutUint64(plain[28:], uint64(time.Since(began)))
	binary.BigEndian.PutUint32(plain[36:], uint32(number))
	putTS(plain, uint32(p.seq)*160)
	p.seq++
	wire := plain
	if p.out != nil {
		var err error
		if wire, err = p.out.EncryptRTP(nil, plain, nil); err != nil {
			p.t.Error(err)
		}
	}
	_, _ = p.rtp.WriteToUDPAddrPort(wire, p.to.RTP)
}

// arrivals are what a peer has heard: how long each packet of its call was under way, and how many were of nobody's.
type arrivals struct {
	delays []time.Duration
	wrong  int
}

// listen hears so many packets that the other peer has stamped, or until none comes any more.
func (p *peer) listen(other uint32, packets int, began time.Time, latest *atomic.Int32) (a arrivals) {
	for len(a.delays) < packets {
		b := p.read(p.rtp, patience)
		if b == nil {
			return a
		}
		now := time.Since(began)
		if p.in != nil {
			var err error
			if b, err = p.in.DecryptRTP(nil, b, nil); err != nil {
				a.wrong++
				continue
			}
		}
		if len(b) != 172 || string(b[12:24]) != "of this call" || binary.BigEndian.Uint32(b[24:]) != other {
			a.wrong++
			continue
		}
		a.delays = append(a.delays, now-time.Duration(binary.BigEndian.Uint64(b[28:])))
		latest.Store(int32(binary.BigEndian.Uint32(b[36:])))
	}
	return a
}
