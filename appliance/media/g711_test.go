package media

import (
	"bytes"
	"testing"
)

func TestLawsOfG711(t *testing.T) {
	for _, c := range []struct {
		law    Law
		octet  byte
		linear int16
	}{
		{ALaw, 0xd5, 8}, {ALaw, 0x55, -8}, {ALaw, 0xaa, 32256}, {ALaw, 0x2a, -32256}, {ALaw, 0xd4, 24}, {ALaw, 0xc5, 264},
		{MuLaw, 0xff, 0}, {MuLaw, 0x7f, 0}, {MuLaw, 0x80, 32124}, {MuLaw, 0x00, -32124}, {MuLaw, 0xfe, 8}, {MuLaw, 0xef, 132},
	} {
		if got := laws[c.law].linear[c.octet]; got != c.linear {
			t.Errorf("law %d, octet %02x: %d, want %d", c.law, c.octet, got, c.linear)
		}
	}
	for _, law := range []Law{ALaw, MuLaw} {
		other := 3 - law
		for i := range 256 {
			o, v := byte(i), int(laws[law].linear[i])
			if back := law.encode(v); back != o && v != 0 {
				t.Errorf("law %d: octet %02x comes back as %02x", law, o, back)
			}
			far := laws[law].other[o]
			if w := int(laws[other].linear[far]); abs(v-w) > 16+abs(v)/16 || v*w < 0 {
				t.Errorf("law %d: octet %02x is %d, in the other law %d", law, o, v, w)
			}
			// What was converted to and fro stays what it is then: no call gets worse with each box on its way.
			once := laws[other].other[far]
			if twice := laws[other].other[laws[law].other[once]]; twice != once {
				t.Errorf("law %d: octet %02x wanders to %02x and %02x", law, o, once, twice)
			}
		}
	}
}

func abs(v int) int { return max(v, -v) }

func TestVoiceIsConvertedBetweenTheLaws(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: 13, Law: ALaw}, Params{AudioPT: 0, DTMFPT: 96, CNPT: 13, Law: MuLaw})
	octets := make([]byte, 256)
	for i := range octets {
		octets[i] = byte(i)
	}
	for _, c := range []struct {
		from       Side
		pt, want   byte
		in, change []byte
	}{
		{A, 8, 0, octets, laws[ALaw].other[:]},
		{B, 0, 8, octets, laws[MuLaw].other[:]},
		{A, 101, 96, []byte{5, 10, 0, 160}, nil},
		{A, 13, 13, []byte{60}, nil},
	} {
		want := c.in
		if c.change != nil {
			want = c.change
		}
		out := q.packet(c.from, c.pt, c.in)
		if len(out) != 1 || out[0][1]&0x7f != c.want || !bytes.Equal(payload(out[0]), want) {
			t.Errorf("payload type %d of %v: %x", c.pt, c.from, out)
		}
	}
}

func TestPaddingIsNotConverted(t *testing.T) {
	q := newQuietPath(t, none(Params{AudioPT: 8, Law: ALaw}), none(Params{AudioPT: 0, Law: MuLaw}))
	p := q.t.input.slot(0)[headroom:]
	clear(p[:32])
	p[0], p[1] = 0xa0, 8
	copy(p[12:], []byte{0xd5, 0xd5, 0, 0, 0, 4})
	q.t.slot, q.t.input.next = 0, 1
	q.t.receive(q.s.legs[A].ports[rtp], p[:18], q.peers[A])
	out := q.left()
	if len(out) != 1 || len(out[0]) != 14 || out[0][0] != 0x80 {
		t.Errorf("%x", out)
	}
	for _, padding := range []byte{0, 7, 255} { // more than there is
		p[0], p[1], p[17] = 0xa0, 8, padding
		q.t.slot, q.t.input.next = 0, 1
		q.t.receive(q.s.legs[A].ports[rtp], p[:18], q.peers[A])
		q.left()
	}
}
