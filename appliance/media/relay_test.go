package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	pionrtcp "github.com/pion/rtcp"
	"golang.org/x/sys/unix"
)

func TestBothDirections(t *testing.T) {
	r := running(t, Options{})
	for _, suite := range []string{"", AES80, AES32, GCM128, GCM256} {
		t.Run(suite, func(t *testing.T) {
			c := call(t, r, suite)
			for range 20 {
				c.talk(t)
			}
			final := c.Close()
			for side, s := range final {
				if s.Received != 20 || s.Sent != 20 || s.Lost != 0 || s.Foreign+s.AuthFailed+s.Replayed+s.Invalid+s.Duplicates+s.Late != 0 {
					t.Errorf("side %v: %+v", Side(side), s)
				}
			}
			if final[B].SentOctets != 20*172 || final[A].Last.IsZero() || final[A].Source != at(c.a.rtp) {
				t.Errorf("%+v", final)
			}
		})
	}
}

func TestRollOverNear65535(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.a.seq, c.b.seq = 65500, 65500
	for range 100 {
		c.talk(t)
	}
}

func TestFirstPacketHeardIsPastTheRollOver(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.a.seq = 65530
	for range 10 { // lost
		c.a.packet(8)
	}
	c.talk(t)
}

func TestRollOverTowardsSRTP(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.talk(t)
	for range 3 { // in steps that a receiver can follow
		c.b.seq += 30000
		c.talk(t)
	}
}

func TestRefreshWithTheSameKeysGoesOn(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.a.seq = 65530
	for range 10 {
		c.talk(t)
	}
	c.set(t)
	for range 10 {
		c.talk(t)
	}
}

func TestNewKeysBeginAtRollOverCounterZero(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.a.seq = 65530
	for range 10 {
		c.talk(t)
	}
	c.pa.LocalKey, c.pa.RemoteKey = c.a.secure(AES80)
	c.set(t)
	for range 10 {
		c.talk(t)
	}
	c.pa.LocalKey, c.pa.RemoteKey = c.a.secure(GCM128)
	c.set(t)
	for range 10 {
		c.talk(t)
	}
}

func TestReplayedAndForgedPackets(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.talk(t)
	_, wire := c.a.packet(8)
	for range 3 {
		c.a.write(c.a.rtp, c.a.to.RTP, wire)
	}
	c.b.receive()
	_, forged := c.a.packet(8)
	forged[40] ^= 1
	c.a.write(c.a.rtp, c.a.to.RTP, forged)
	c.a.write(c.a.rtp, c.a.to.RTP, []byte("not RTP"))
	c.b.nothing("replayed or forged")
	if s := c.Stats(A); s.Replayed != 2 || s.AuthFailed != 1 || s.Invalid != 1 {
		t.Errorf("%+v", s)
	}
	c.talk(t)
}

func TestReorderedPacketsPassAndDuplicatesDoNot(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.talk(t)
	_, first := c.b.packet(8)
	_, second := c.b.packet(8)
	for _, p := range [][]byte{second, first, first, second} {
		c.b.write(c.b.rtp, c.b.to.RTP, p)
	}
	x, y := c.a.receive(), c.a.receive()
	if seqOf(x) != seqOf(y)+1 {
		t.Errorf("%d, %d", seqOf(x), seqOf(y))
	}
	c.a.nothing("duplicate")
	if s := c.Stats(A); s.Duplicates != 0 {
		t.Errorf("counted on the wrong side: %+v", s)
	}
	if s := c.Stats(B); s.Duplicates != 2 {
		t.Errorf("%+v", s)
	}
}

func TestStrangersAreNotRelayed(t *testing.T) {
	r := running(t, Options{})
	for _, suite := range []string{"", AES80} {
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
		if s := c.Stats(A); s.Foreign+s.KernelDrops != 50 || s.AuthFailed != before {
			t.Errorf("%+v", s)
		}
		c.talk(t)
	}
}

func TestLatching(t *testing.T) {
	r := running(t, Options{})
	t.Run("an SRTP peer behind NAT is learnt by its first authentic packet", func(t *testing.T) {
		c := call(t, r, AES80)
		c.pa.Remote = netip.MustParseAddrPort("127.0.0.9:9")
		c.set(t)
		forged := newPeer(t, "127.0.0.8")
		forged.to = c.a.to
		forged.secure(AES80)
		forged.send(8)
		c.talk(t)
		if s := c.Stats(A); s.AuthFailed != 1 || s.Source != at(c.a.rtp) {
			t.Errorf("%+v", s)
		}
	})
	t.Run("a plain peer is learnt at the signalled host only", func(t *testing.T) {
		c := call(t, r, "")
		c.pa.Latch = true
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
		c.pa.Latch, c.pa.LatchAny, c.pa.Remote = true, true, netip.MustParseAddrPort("127.0.0.9:9")
		c.set(t)
		c.talk(t)
		other := newPeer(t, "127.0.0.9")
		other.to = c.a.to
		other.send(8)
		c.b.nothing("second host")
	})
	t.Run("signalling moves the peer, and the old place is a stranger", func(t *testing.T) {
		c := call(t, r, AES80)
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
	t.Run("without Latch only the signalled port", func(t *testing.T) {
		c := call(t, r, "")
		other := newPeer(t, "127.0.0.1")
		other.to = c.a.to
		other.send(8)
		c.b.nothing("another port")
		c.talk(t)
	})
}

func TestDirections(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.talk(t)
	c.pa.Send = false
	c.set(t)
	c.b.send(8)
	c.a.nothing("may not send")
	c.pa.Send, c.pa.Receive = true, false
	c.set(t)
	c.a.send(8)
	c.b.nothing("may not receive")
	c.pa.Receive = true
	c.pa.Remote = netip.MustParseAddrPort("0.0.0.0:4000") // hold by zero address
	c.set(t)
	c.b.send(8)
	c.a.nothing("held")
	c.pa = c.a.params(c.pa.LocalKey, c.pa.RemoteKey)
	c.pa.Latch = true
	c.set(t)
	c.talk(t)
}

func TestPayloadTypesAreTranslated(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.pa.DTMFPT, c.pa.CNPT = 126, 118
	c.pa.Received = &PayloadTypes{Audio: 8, DTMF: 97, CN: 118}
	c.pb.CNPT = NoPT
	c.set(t)
	for _, step := range []struct {
		from, to *peer
		in, want byte
	}{{c.a, c.b, 97, 101}, {c.b, c.a, 101, 126}, {c.a, c.b, 8, 8}} {
		step.from.send(step.in)
		if got := step.to.receive()[1] & 0x7f; got != step.want {
			t.Errorf("%d became %d, not %d", step.in, got, step.want)
		}
	}
	c.a.send(118)
	c.a.send(99)
	c.b.nothing("payload type that was not agreed")
	if s := c.Stats(A); s.Invalid != 2 {
		t.Errorf("%+v", s)
	}
	c.b.send(0x80 | 101)
	if got := c.a.receive()[1]; got != 0x80|126 {
		t.Errorf("the marker is lost: %#x", got)
	}
}

func TestStreamGoesOnWhenTheSourceChanges(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	for range 3 {
		c.b.send(8)
	}
	var last []byte
	for range 3 {
		last = c.a.receive()
	}
	next := func(what string, marker bool) {
		t.Helper()
		c.b.send(8)
		got := c.a.receive()
		if ssrcOf(got) != ssrcOf(last) || seqOf(got) != seqOf(last)+1 {
			t.Errorf("%s: SSRC %x after %x, number %d after %d", what, ssrcOf(got), ssrcOf(last), seqOf(got), seqOf(last))
		}
		if d := tsOf(got) - tsOf(last); d == 0 || d > 8000 {
			t.Errorf("%s: timestamp goes on by %d", what, d)
		}
		if got[1]&0x80 != 0 != marker {
			t.Errorf("%s: marker is %v", what, !marker)
		}
		last = got
	}
	c.b.ssrc, c.b.seq = 42, 9
	next("another SSRC", true)
	next("same source", false)
	moved := newPeer(t, "127.0.0.6")
	moved.to, moved.ssrc, moved.seq = c.b.to, c.b.ssrc, 50000
	c.b, c.pb = moved, moved.params(nil, nil)
	c.set(t)
	next("another place, same SSRC", true)
	c.b.seq -= 20000
	c.b.send(8)
	next("counts from somewhere else without saying so", true)
}

func TestRTCPPassesInTheTermsOfTheOtherSide(t *testing.T) {
	r := running(t, Options{})
	for _, mux := range []bool{false, true} {
		c := call(t, r, AES80)
		c.pa.Mux = mux
		c.set(t)
		c.talk(t)
		last := c.b.send(8)
		heard := c.a.receive()

		report := &pionrtcp.SenderReport{SSRC: c.a.ssrc, NTPTime: 0x1122334455667788, RTPTime: 1000, PacketCount: 99, OctetCount: 99,
			Reports: []pionrtcp.ReceptionReport{{SSRC: ssrcOf(heard), LastSequenceNumber: uint32(seqOf(heard)), FractionLost: 3, TotalLost: 4, Jitter: 5}}}
		plain, err := pionrtcp.Marshal([]pionrtcp.Packet{report, &pionrtcp.SourceDescription{Chunks: []pionrtcp.SourceDescriptionChunk{{Source: c.a.ssrc,
			Items: []pionrtcp.SourceDescriptionItem{{Type: pionrtcp.SDESCNAME, Text: "secret@10.1.2.3"}}}}}, &pionrtcp.Goodbye{Sources: []uint32{c.a.ssrc}}})
		if err != nil {
			t.Fatal(err)
		}
		wire, err := c.a.out.EncryptRTCP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		if mux {
			c.a.write(c.a.rtp, c.a.to.RTP, wire)
		} else {
			c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
		}
		b := c.b.read(c.b.rtcp, 2*time.Second)
		packets, err := pionrtcp.Unmarshal(b)
		if err != nil || len(packets) != 2 || bytes.Contains(b, []byte("secret")) {
			t.Fatalf("mux %v: %v %v", mux, packets, err)
		}
		sr, ok := packets[0].(*pionrtcp.SenderReport)
		if !ok || sr.NTPTime != report.NTPTime || sr.PacketCount != 1 || sr.OctetCount != 160 || len(sr.Reports) != 1 {
			t.Fatalf("mux %v: %v", mux, packets[0])
		}
		if block := sr.Reports[0]; block.SSRC != c.b.ssrc || uint16(block.LastSequenceNumber) != seqOf(last) || block.Jitter != 5 {
			t.Errorf("mux %v: %+v, sent %x %d", mux, block, c.b.ssrc, seqOf(last))
		}
		if sdes, ok := packets[1].(*pionrtcp.SourceDescription); !ok || sdes.Chunks[0].Source != sr.SSRC {
			t.Errorf("mux %v: %v", mux, packets[1])
		}
		// A replay is dropped.
		if mux {
			c.a.write(c.a.rtp, c.a.to.RTP, wire)
		} else {
			c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
		}
		if c.b.read(c.b.rtcp, rest) != nil || c.Stats(A).Replayed != 1 {
			t.Errorf("mux %v: replayed report passed: %+v", mux, c.Stats(A))
		}
		// And the other way.
		plain, _ = pionrtcp.Marshal([]pionrtcp.Packet{&pionrtcp.ReceiverReport{SSRC: c.b.ssrc}})
		c.b.write(c.b.rtcp, c.b.to.RTCP, plain)
		back := c.a.rtcp
		if mux {
			back = c.a.rtp
		}
		if got, err := c.a.in.DecryptRTCP(nil, c.a.read(back, 2*time.Second), nil); err != nil || binary.BigEndian.Uint32(got[4:]) != ssrcOf(heard) {
			t.Errorf("mux %v: %x, %v", mux, got, err)
		}
	}
}

func TestPortsRestAndAreReleased(t *testing.T) {
	r := running(t, Options{Quarantine: 200 * time.Millisecond})
	addr := netip.MustParseAddr("127.0.0.5")
	o := PortOptions{Addr: addr, First: 31001, Last: 31005} // two pairs: 31002 and 31004
	s := r.NewSession()
	first, err := s.Open(A, o)
	if err != nil {
		t.Fatal(err)
	}
	if first.RTP.Port()%2 != 0 || first.RTCP.Port() != first.RTP.Port()+1 {
		t.Errorf("%v", first)
	}
	if _, err := s.Open(A, o); err == nil {
		t.Error("opened twice")
	}
	if _, err := s.Open(B, o); err != nil {
		t.Error(err)
	}
	more := r.NewSession()
	if _, err := more.Open(A, o); !errors.Is(err, ErrNoPort) {
		t.Errorf("third pair: %v", err)
	}
	s.Close()
	if err := s.Set(A, Params{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Set after Close: %v", err)
	}
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(first.RTP))
	if err != nil {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := more.Open(A, o); !errors.Is(err, ErrNoPort) {
		t.Errorf("a port was used again at once: %v", err)
	}
	time.Sleep(250 * time.Millisecond)
	second, err := more.Open(A, o)
	if err != nil {
		t.Fatalf("after the quarantine: %v", err)
	}
	if second.RTP.Port() == first.RTP.Port() {
		t.Error("took a port that somebody else has bound")
	}
	c.Close()
	more.Close()
	if _, err := r.NewSession().Open(A, PortOptions{Addr: addr, First: 5, Last: 5}); err == nil {
		t.Error("a range without a pair")
	}
}

func TestPacketsCarryTheTOS(t *testing.T) {
	c := call(t, running(t, Options{}), "")
	raw, err := c.b.rtp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1) })
	c.a.send(8)
	b, oob := make([]byte, 2048), make([]byte, 64)
	_ = c.b.rtp.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, n, _, _, err := c.b.rtp.ReadMsgUDPAddrPort(b, oob)
	if err != nil {
		t.Fatal(err)
	}
	messages, _ := unix.ParseSocketControlMessage(oob[:n])
	if len(messages) != 1 || messages[0].Data[0] != efTOS {
		t.Errorf("%v", messages)
	}
}

func TestEvents(t *testing.T) {
	r := running(t, Options{Timeout: 1500 * time.Millisecond})
	c := call(t, r, AES80)
	events := make(chan Event, 16)
	c.Notify(func(e Event) { events <- e })
	c.pa.LocalKey.Lifetime = 20
	c.set(t)
	expect := func(want ...Event) {
		t.Helper()
		missing := map[Event]bool{}
		for _, e := range want {
			missing[e] = true
		}
		for len(missing) > 0 {
			select {
			case e := <-events:
				if !missing[e] {
					t.Errorf("unexpected %+v", e)
				}
				delete(missing, e)
			case <-time.After(5 * time.Second):
				t.Fatalf("missing %+v", missing)
			}
		}
	}
	c.talk(t)
	expect(Event{A, Started}, Event{B, Started})
	expect(Event{A, TimedOut}, Event{B, TimedOut})
	for range 15 {
		c.talk(t)
	}
	expect(Event{A, KeyUsed}, Event{A, TimedOut}, Event{B, TimedOut})
}

func TestStatsCountLoss(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.talk(t)
	for range 10 {
		c.a.packet(8) // lost on the way
	}
	c.talk(t)
	if s := c.Stats(A); s.Lost != 10 || s.Received != 2 {
		t.Errorf("%+v", s)
	}
}

func TestARelayThatDoesNotRun(t *testing.T) {
	r := New(Options{})
	s := r.NewSession()
	if _, err := s.Open(A, PortOptions{Addr: netip.MustParseAddr("127.0.0.5")}); err != nil {
		t.Fatal(err)
	}
	s.Stats(A)
	s.Close()
}

func TestSetRefusesWhatCannotWork(t *testing.T) {
	c := call(t, running(t, Options{}), "")
	k := randomKey(AES80)
	for what, p := range map[string]Params{
		"one key":   {LocalKey: &k},
		"short key": {LocalKey: &k, RemoteKey: &Key{Suite: AES80, Master: random(3)}},
	} {
		if err := c.Set(A, p); err == nil {
			t.Error(what)
		}
	}
}

func TestAFloodOnOnePort(t *testing.T) {
	r := running(t, Options{})
	victim, other := call(t, r, AES80), call(t, r, AES80)
	victim.talk(t)
	other.talk(t)
	stop, flooding := make(chan struct{}), make(chan uint64)
	stranger := newPeer(t, "127.0.0.9")
	_, wire := stranger.packet(8)
	go func() {
		var n uint64
		for ; ; n++ {
			select {
			case <-stop:
				flooding <- n
				return
			default:
				_, _ = stranger.rtp.WriteToUDPAddrPort(wire, victim.a.to.RTP)
			}
		}
	}()
	time.Sleep(50 * time.Millisecond) // the shield is up after the first few strangers; until then one packet may find the buffer full
	for range 50 {                    // a second of voice
		for _, c := range []*callOf{victim, other} {
			c.a.send(8)
			c.b.send(8)
		}
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	flood := <-flooding
	for name, c := range map[string]*callOf{"victim": victim, "other": other} {
		a, b := c.Stats(A), c.Stats(B)
		if a.Received < 50 || b.Received < 51 || a.Sent != b.Received || b.Sent != a.Received {
			t.Errorf("%s: %+v %+v", name, a, b)
		}
	}
	s := victim.Stats(A)
	t.Logf("%d strangers: %d seen, %d dropped by the kernel", flood, s.Foreign, s.KernelDrops)
	if s.Foreign == 0 || s.KernelDrops == 0 || s.Foreign > flood/4 || s.AuthFailed > 0 {
		t.Errorf("%d strangers: %+v", flood, s)
	}
}

func TestReportsOfOurOwnWhenTheOtherSideSendsNone(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
	c.talk(t)
	c.a.packet(8) // lost
	c.talk(t)
	wire := c.a.read(c.a.rtcp, 8*time.Second)
	plain, err := c.a.in.DecryptRTCP(nil, wire, nil)
	if err != nil {
		t.Fatal(err)
	}
	packets, err := pionrtcp.Unmarshal(plain)
	if err != nil || len(packets) != 2 {
		t.Fatalf("%v, %v", packets, err)
	}
	sr := packets[0].(*pionrtcp.SenderReport)
	if sr.PacketCount != 2 || sr.OctetCount != 320 || len(sr.Reports) != 1 || sr.Reports[0].SSRC != c.a.ssrc ||
		sr.Reports[0].TotalLost != 1 || sr.Reports[0].FractionLost != 256/3 || uint16(sr.Reports[0].LastSequenceNumber) != c.a.seq-1 {
		t.Errorf("%+v", sr)
	}
	if d := time.Since(time.Unix(int64(sr.NTPTime>>32)+ntpEpoch, 0)); d < -time.Second || d > 3*time.Second {
		t.Errorf("the clock is off by %v", d)
	}
	time.Sleep(50 * time.Millisecond)
	plain, _ = pionrtcp.Marshal([]pionrtcp.Packet{&pionrtcp.ReceiverReport{SSRC: c.a.ssrc,
		Reports: []pionrtcp.ReceptionReport{{SSRC: sr.SSRC, LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 65536 / 50}}}})
	if wire, err = c.a.out.EncryptRTCP(nil, plain, nil); err != nil {
		t.Fatal(err)
	}
	c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
	time.Sleep(20 * time.Millisecond)
	if trip := c.Stats(A).RoundTrip; trip < 25*time.Millisecond || trip > time.Second {
		t.Errorf("round trip %v", trip)
	}
}
