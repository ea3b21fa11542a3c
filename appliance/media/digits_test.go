package media

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestDigitsArePlayedAsEvents(t *testing.T) {
	c := call(t, running(t, Options{}), AES80)
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
