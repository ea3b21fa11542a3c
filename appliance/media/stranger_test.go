package media

import (
	"net/netip"
	"testing"
	"time"
)

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
