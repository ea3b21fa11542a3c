package media

import (
	"bytes"
	"testing"

	"viaduct/appliance/audio"
)

// convert is a copy of octets in another codec.
func convert(octets []byte, from, to *audio.Codec) []byte {
	octets = bytes.Clone(octets)
	audio.Convert(octets, from, to)
	return octets
}

func TestVoiceIsConvertedBetweenTheLaws(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: 13, Voice: audio.ALaw}, Params{AudioPT: 0, DTMFPT: 96, CNPT: 13, Voice: audio.MuLaw})
	octets := make([]byte, 256)
	for i := range octets {
		octets[i] = byte(i)
	}
	for _, c := range []struct {
		from       Side
		pt, want   byte
		in, change []byte
	}{
		{A, 8, 0, octets, convert(octets, audio.ALaw, audio.MuLaw)},
		{B, 0, 8, octets, convert(octets, audio.MuLaw, audio.ALaw)},
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
	q := newQuietPath(t, none(Params{AudioPT: 8, Voice: audio.ALaw}), none(Params{AudioPT: 0, Voice: audio.MuLaw}))
	p := q.t.input.slot(0)[headroom:]
	clear(p[:32])
	p[0], p[1] = 0xa0, 8
	copy(p[12:], []byte{0xd5, 0xd5, 0, 0, 0, 4})
	q.t.slot, q.t.input.next = 0, 1
	q.t.receive(q.s.legs[A].local.ports[rtp], p[:18], q.peers[A])
	out := q.left()
	if len(out) != 1 || len(out[0]) != 14 || out[0][0] != 0x80 {
		t.Errorf("%x", out)
	}
	for _, padding := range []byte{0, 7, 255} { // more than there is
		p[0], p[1], p[17] = 0xa0, 8, padding
		q.t.slot, q.t.input.next = 0, 1
		q.t.receive(q.s.legs[A].local.ports[rtp], p[:18], q.peers[A])
		q.left()
	}
}
