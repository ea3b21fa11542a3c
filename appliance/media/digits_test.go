package media

import (
	"encoding/binary"
	"testing"
	"time"

	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"
)

func TestDigitsArePlayedAsEvents(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	c.b.send(8)
	voice := c.a.receive()
	if err := c.Press(A, 5, 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if err := c.Press(A, 11, 0); err != nil {
		t.Fatal(err)
	}
	seq, ssrc := seqOf(voice), ssrcOf(voice)
	var starts []uint32
	spoken := 0
	for _, want := range []struct {
		event    byte
		packets  int
		duration uint16
	}{{5, 7, 800}, {11, 5, 480}} {
		var start uint32
		for n := range want.packets {
			c.b.send(8) // goes on, and must not come between
			p := c.a.receive()
			for n == 0 && p[1]&0x7f == 8 { // voice of the pause
				spoken++
				seq++
				c.b.send(8)
				p = c.a.receive()
			}
			event, ended, duration := p[12], p[13]&0x80 != 0, binary.BigEndian.Uint16(p[14:])
			switch seq++; {
			case seqOf(p) != seq || ssrcOf(p) != ssrc || p[1]&0x7f != 101 || event != want.event:
				t.Fatalf("event %d packet %d: %x", want.event, n, p[:16])
			case (p[1]&0x80 != 0) != (n == 0):
				t.Errorf("event %d packet %d: marker %v", want.event, n, p[1]&0x80 != 0)
			case ended != (n >= want.packets-3) || ended && duration != want.duration:
				t.Errorf("event %d packet %d: ended %v, duration %d", want.event, n, ended, duration)
			}
			if n == 0 {
				start = tsOf(p)
			}
			if tsOf(p) != start {
				t.Errorf("event %d packet %d: the timestamp moved", want.event, n)
			}
		}
		starts = append(starts, start)
	}
	if spoken == 0 {
		t.Error("no voice between two digits")
	}
	if int32(starts[1]-starts[0]) < 100*8 {
		t.Errorf("events begin at %d and %d", starts[0], starts[1])
	}
	c.talk(t)
}

func TestDigitsNeedAPayloadType(t *testing.T) {
	c := call(t, running(t, Options{}), "")
	c.pb.DTMFPT = NoPT
	c.set(t)
	if err := c.Press(B, 1, 0); err == nil {
		t.Error("a digit without telephone-event was taken")
	}
	c.pb.DTMFPT = 101
	c.set(t)
	if err := c.Press(B, 17, 0); err == nil {
		t.Error("event 17 was taken")
	}
	c.Close()
	if err := c.Press(B, 1, 0); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

// Events that the other side has no payload type for are told, once each, with their length: also when the packets that end them
// are lost, and another digit or the voice says that they are over (RFC 4733 section 2.5.1.4).
func TestDigitsThatTheOtherSideCannotTakeAreTold(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.pb.DTMFPT, c.pb.CNPT = NoPT, NoPT
	c.set(t)
	told := make(chan Event, 16)
	c.Notify(func(e Event) {
		if e.Kind == Pressed {
			told <- e
		}
	})
	send := func(at uint32, event, flags byte, duration uint16) {
		plain := srtptest.Packet(c.a.ssrc, c.a.seq, 4)
		c.a.seq++
		plain[1] = 101
		putTS(plain, at)
		plain[12], plain[13] = event, flags|10
		binary.BigEndian.PutUint16(plain[14:], duration)
		wire, err := c.a.out.EncryptRTP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.a.write(c.a.rtp, c.a.to.RTP, wire)
	}
	want := func(digit uint8, length time.Duration) {
		t.Helper()
		select {
		case e := <-told:
			if e != (Event{A, Pressed, digit, length}) {
				t.Errorf("%+v, want %d for %v", e, digit, length)
			}
		case <-time.After(patience):
			t.Fatalf("digit %d was not told", digit)
		}
	}
	const end = 0x80
	for n := range 5 {
		send(1000, 5, 0, uint16(160*n+160))
	}
	for range 3 {
		send(1000, 5, end, 800)
	}
	want(5, 100*ms)
	send(5000, 11, 0, 160) // its end is lost
	send(5000, 11, 0, 320)
	send(9000, 0, 0, 160) // and this one begins
	want(11, 40*ms)
	send(5000, 11, end, 400) // late
	time.Sleep(goneQuiet + 20*ms)
	c.a.send(8)
	want(0, 20*ms)
	send(9000, 0, end, 240) // what was told is over
	send(12000, 17, end, 240)
	c.a.send(8)
	c.b.receive()
	c.b.receive()
	select {
	case e := <-told:
		t.Errorf("told twice, or what is no digit: %+v", e)
	case <-time.After(rest):
	}
	if s := c.until(A, func(s Stats) bool { return s.Invalid > 0 }); s.Invalid != 1 {
		t.Errorf("%+v", s)
	}
}
