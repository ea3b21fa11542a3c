package media

import (
	"bytes"
	"encoding/binary"
	"testing"

	"viaduct/appliance/audio"
)

// convert is a copy of octets in another codec.
func convert(octets []byte, from, to *audio.Codec) []byte {
	return audio.Convert(bytes.Clone(octets), from, to)
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

// Two codecs that audio.Converts joins may differ in the size of a packet and in the clock of its timestamps.
func TestVoiceOfEveryCodecIsConvertedToEveryOther(t *testing.T) {
	for _, from := range audio.Codecs {
		for _, to := range audio.Codecs {
			q := newQuietPath(t, none(Params{AudioPT: 8, Voice: from}), none(Params{AudioPT: 0, Voice: to}))
			voice := make([]byte, from.Size(20*ms))
			new(audio.Ringing).Fill(voice, from)
			var before uint32
			for n := range 2 {
				out := q.packet(A, 8, voice)
				next := q.number + from.Units(len(voice))
				q.step(20 * ms)
				q.number = next
				if len(out) != 1 {
					t.Fatalf("%s to %s: %d packets", from.Name, to.Name, len(out))
				}
				got, at := payload(out[0]), binary.BigEndian.Uint32(out[0][4:])
				if want := convert(voice, from, to); !bytes.Equal(got, want) || len(got) != to.Size(20*ms) {
					t.Errorf("%s to %s: thread.prepareVoice makes %d octets of %d, audio.Convert %d; want %d", from.Name, to.Name, len(got), len(voice), len(want), to.Size(20*ms))
				}
				if n > 0 && at-before != to.Units(len(got)) {
					t.Errorf("%s to %s: thread.stamp lets the timestamp of 20 ms move by %d, want %d", from.Name, to.Name, at-before, to.Units(len(got)))
				}
				before = at
			}
			for _, out := range q.packet(A, 8, make([]byte, from.Size(from.Time(maxInput-12)))) {
				if len(out) > maxInput {
					t.Errorf("%s to %s: thread.prepareVoice makes a packet of %d octets, and its slot holds %d", from.Name, to.Name, len(out), maxInput)
				}
			}
		}
	}
}
