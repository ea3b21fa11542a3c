package media

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"
)

// What a call was doing it does in the other box: it holds one side, fills a pause of the peer with noise, cuts packets for a side.
func TestARestoredCallIsAsItWas(t *testing.T) {
	r := running(t, Options{})
	voiced := func(t *testing.T) *callOf {
		c := call(t, r, srtp.AES80)
		c.pa.Voice, c.pb.Voice, c.pa.Codec, c.pb.Codec = audio.ALaw, audio.ALaw, "PCMA", "PCMA"
		c.set(t)
		c.talk(t)
		return c
	}
	die := func(t *testing.T, c *callOf) { c.dies(t, r, c.State(), c.Marks(), 200*ms) }
	t.Run("held", func(t *testing.T) {
		c := voiced(t)
		c.pa.Send = false
		c.set(t)
		die(t, c)
		c.b.send(8)
		c.a.nothing("the side is on hold")
		c.pa.Send = true
		c.set(t)
		c.talk(t)
	})
	t.Run("noise", func(t *testing.T) {
		c := voiced(t)
		c.pb.CNPT = NoPT
		c.set(t)
		plain := srtptest.Packet(c.a.ssrc, c.a.seq, 1)
		c.a.seq++
		plain[1], plain[12] = 13, 50
		wire, err := c.a.out.EncryptRTP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.a.write(c.a.rtp, c.a.to.RTP, wire)
		c.b.receive()
		marks := c.Marks()
		for c.b.read(c.b.rtp, 5*ms) != nil { // what is on its way
		}
		c.dies(t, r, c.State(), marks, 0)
		last := c.b.receive()
		for range 3 {
			next := c.b.receive()
			if seqOf(next) != seqOf(last)+1 || tsOf(next) != tsOf(last)+160 || len(next) != 172 {
				t.Errorf("%x after %x", next[:12], last[:12])
			}
			last = next
		}
	})
	t.Run("cut", func(t *testing.T) {
		c := voiced(t)
		c.pa.Ptime = 10 * ms
		c.set(t)
		cut := func() (seq uint16) {
			sent := c.b.send(8)
			one, two := c.a.receive(), c.a.receive()
			if !bytes.Equal(append(bytes.Clone(payload(one)), payload(two)...), payload(sent)) || seqOf(two) != seqOf(one)+1 || tsOf(two) != tsOf(one)+80 {
				t.Fatalf("another voice: %x %x", one[:12], two[:12])
			}
			return seqOf(two)
		}
		before := cut()
		die(t, c)
		if after := cut(); int16(after-before) < spareSkip {
			t.Errorf("number %d after %d", after, before)
		}
	})
	t.Run("over two sessions", func(t *testing.T) {
		c, hop := voiced(t), r.NewSession()
		inner, err := hop.Open(A, PortOptions{Addr: netip.MustParseAddr("127.0.0.4")})
		if err == nil {
			c.b.to, err = hop.Open(B, PortOptions{Addr: netip.MustParseAddr("127.0.0.5")})
		}
		if err != nil {
			t.Fatal(err)
		}
		far, outer := c.pb, c.pb
		c.pb.Remote, c.pb.RemoteRTCP = inner.RTP, inner.RTCP
		c.set(t)
		outer.Remote = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.4"), c.State().Sides[B].Port)
		outer.RemoteRTCP = netip.AddrPort{}
		if err := errors.Join(hop.Set(A, outer), hop.Set(B, far)); err != nil {
			t.Fatal(err)
		}
		c.talk(t)
		state, marks := carried(t, hop.State(), hop.Marks())
		hop.Close()
		die(t, c)
		if hop, err = r.Restore(state, marks, 200*ms); err != nil {
			t.Fatal(err)
		}
		defer hop.Close()
		c.talk(t)
		c.talk(t)
	})
}

// The figures of a call go on in the other box, and what is said of a key's use as well.
func TestFiguresGoOn(t *testing.T) {
	r := running(t, Options{})
	c := call(t, r, srtp.AES80)
	for range 20 {
		c.talk(t)
	}
	c.a.seq += 2 // lost
	c.talk(t)
	_, wire := c.a.packet(8)
	wire[30] ^= 1
	c.a.write(c.a.rtp, c.a.to.RTP, wire)
	c.talk(t)
	before := [2]Stats{c.Stats(A), c.Stats(B)}
	var used, after uint64
	c.thread.do(func() { used = c.legs[A].out.stream.underKey })
	c.dies(t, r, c.State(), c.Marks(), 0)
	c.thread.do(func() { after = c.legs[A].out.stream.underKey })
	for side, s := range [2]Stats{c.Stats(A), c.Stats(B)} {
		was := before[side]
		s.Last, s.LastRTP, was.Last, was.LastRTP = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		s.RoundTrip, was.RoundTrip = 0, 0
		if s != was {
			t.Errorf("side %v:\n%+v\n%+v", Side(side), was, s)
		}
	}
	if before[A].Lost != 3 || before[A].AuthFailed != 1 || after < used+500 {
		t.Errorf("%+v, packets under the key %d and %d", before[A], used, after)
	}
}

// A source that jumps makes marks old at once.
func TestMarksAreAskedForWhenAStreamHasMovedFar(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	moved := make(chan Event, 10)
	c.Notify(func(e Event) {
		if e.Kind == Moved {
			moved <- e
		}
	})
	c.talk(t)
	c.b.seq += movedFar
	c.talk(t) // nobody has taken marks
	for range 2 {
		c.Marks()
		c.b.seq += movedFar
		c.talk(t)
		c.talk(t)
		if e := <-moved; e.Side != A {
			t.Errorf("%+v", e)
		}
	}
	if len(moved) != 0 {
		t.Error("told twice")
	}
}

// Between two rounds of marks a source jumps, or sends faster than before. Whether the call has been told or not: no number comes twice.
func TestNoJumpIsTooSmallToBeToldAndTooLargeToBeSkipped(t *testing.T) {
	r := running(t, Options{})
	for _, jump := range []uint16{100, 500, 700, 1500, 4000} {
		c := call(t, r, srtp.AES80)
		moved := make(chan Event, 10)
		c.Notify(func(e Event) {
			if e.Kind == Moved {
				moved <- e
			}
		})
		c.talk(t)
		state, marks := c.State(), c.Marks()
		c.b.seq += jump
		for range 5 {
			c.talk(t)
		}
		if jump > movedFar {
			<-moved
			marks = c.Marks()
		}
		last := c.lastToA()
		c.dies(t, r, state, marks, 0)
		c.talk(t)
		if step := int16(c.lastToA() - last); step <= 0 {
			t.Errorf("after a jump of %d: number %d after %d", jump, c.lastToA(), last)
		}
	}
}
