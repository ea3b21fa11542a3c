package media

import (
	"bytes"
	"testing"
	"time"

	"viaduct/appliance/audio"
)

// A peer that has agreed on several formats sends any of them, now this and now that, and nothing is lost: what the other side has too
// passes, and G.711 becomes the law of its first codec.
func TestPeersChangeBetweenAgreedFormats(t *testing.T) {
	pcma := func(pt uint8) Format { return Format{pt, pt, "PCMA", audio.ALaw} }
	pcmu := func(pt uint8) Format { return Format{pt, pt, "PCMU", audio.MuLaw} }
	g722 := func(pt uint8) Format { return Format{pt, pt, "G722", nil} }
	side := func(first Format, spare ...Format) Params {
		return Params{AudioPT: first.Wanted, DTMFPT: NoPT, CNPT: NoPT, Codec: first.Codec, Voice: first.Voice, Spare: spare}
	}
	octets := bytes.Repeat([]byte{0x12}, 160)
	converted := [2][]byte{convert(octets, audio.ALaw, audio.MuLaw), convert(octets, audio.MuLaw, audio.ALaw)}
	for _, test := range []struct {
		name   string
		a, b   Params
		sent   uint8
		left   uint8 // NoPT: nothing
		octets []byte
	}{
		{"the first codec", side(pcma(8), pcmu(0)), side(pcma(8)), 8, 8, octets},
		{"the other law, which the other side has not", side(pcma(8), pcmu(0)), side(pcma(8)), 0, 8, converted[1]},
		{"the other law, which the other side has first", side(pcma(8), pcmu(0)), side(pcmu(0)), 0, 0, octets},
		{"the other law, which the other side has too: it hears no change", side(pcma(8), pcmu(0)), side(pcma(8), pcmu(0)), 0, 8, converted[1]},
		{"another codec, which the other side has too", side(pcma(8), g722(9)), side(pcma(8), g722(9)), 9, 9, octets},
		{"another codec, which the other side has under another number", side(pcma(8), g722(9)), side(pcma(8), Format{9, 109, "G722", nil}), 9, 109, octets},
		{"another codec, which the other side has first", side(pcma(8), g722(9)), side(g722(9), pcma(8)), 9, 9, octets},
		{"G.711 where the other side has another codec first", side(g722(9), pcma(8)), side(g722(9), pcma(8)), 8, 8, octets},
		{"G.711 where the other side has the other law beside another codec", side(g722(9), pcma(8)), side(g722(9), pcmu(0)), 8, 0, converted[0]},
		{"another codec, which the other side has not", side(pcma(8), g722(9)), side(pcma(8)), 9, NoPT, nil},
		{"a codec that was not agreed", side(pcma(8)), side(pcma(8), pcmu(0)), 0, NoPT, nil},
		{"the first codec under the peer's own number", side(Format{Wanted: 107, Codec: "OPUS"}, Format{111, 107, "OPUS", nil}), side(Format{Wanted: 96, Codec: "OPUS"}), 111, 96, octets},
	} {
		t.Run(test.name, func(t *testing.T) {
			q := newQuietPath(t, test.a, test.b)
			q.packet(A, test.a.AudioPT, octets)
			q.step(20 * time.Millisecond)
			out := q.packet(A, test.sent, octets)
			switch {
			case test.left == NoPT:
				if len(out) != 0 {
					t.Errorf("it left as %x", out[0][:12])
				}
			case len(out) != 1 || out[0][1]&0x7f != test.left || !bytes.Equal(out[0][12:], test.octets):
				t.Errorf("left: %x", out)
			}
		})
	}
}

// What is done to the voice of the first codec is done to that of the others: pauses are described, packets are cut.
func TestASpareFormatIsVoice(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: NoPT, CNPT: NoPT, Codec: "PCMA", Voice: audio.ALaw, Spare: []Format{{0, 0, "PCMU", audio.MuLaw}}},
		Params{AudioPT: 8, DTMFPT: NoPT, CNPT: 13, Codec: "PCMA", Voice: audio.ALaw, Suppress: true, Ptime: 10 * time.Millisecond})
	q.packet(A, 0, bytes.Repeat([]byte{0x10}, 160))
	q.step(20 * time.Millisecond)
	if out := q.packet(A, 0, bytes.Repeat([]byte{0x10}, 160)); len(out) != 2 || len(out[0]) != 12+80 {
		t.Errorf("20 ms left as %d packets", len(out))
	}
	described := false
	for range 100 {
		q.step(20 * time.Millisecond)
		for _, p := range q.packet(A, 0, bytes.Repeat([]byte{0xff}, 160)) {
			described = described || p[1]&0x7f == 13
		}
	}
	if !described {
		t.Error("a pause was not described")
	}
}

// Phones send events under a number of their own, whatever was offered and answered.
func TestEventsUnderThePeersOwnNumber(t *testing.T) {
	event := []byte{5, 10, 0, 160}
	for _, test := range []struct {
		name    string
		in, out uint8
		claimed audio.Numbers
		sent    uint8
		payload []byte
		left    uint8
	}{
		{"126 where 101 was agreed", 101, 101, 0, 126, event, 101},
		{"96 towards another number", 101, 97, 0, 96, event, 97},
		{"97, which is something else", 101, 101, 1 << (97 - 96), 97, event, NoPT},
		{"below the dynamic numbers", 101, 101, 0, 95, event, NoPT},
		{"no event", 101, 101, 0, 126, []byte{17, 10, 0, 160}, NoPT},
		{"too long for one", 101, 101, 0, 126, make([]byte, 160), NoPT},
		{"no events agreed", NoPT, 101, 0, 126, event, NoPT},
	} {
		for _, side := range []Side{A, B} {
			t.Run(test.name+" from "+side.String(), func(t *testing.T) {
				from := Params{AudioPT: 8, DTMFPT: test.in, CNPT: NoPT, Codec: "PCMA", Voice: audio.ALaw, Claimed: test.claimed}
				to := Params{AudioPT: 8, DTMFPT: test.out, CNPT: NoPT, Codec: "PCMA", Voice: audio.ALaw}
				a, b := from, to
				if side == B {
					a, b = to, from
				}
				q := newQuietPath(t, a, b)
				out := q.packet(side, test.sent, test.payload)
				switch {
				case test.left == NoPT && len(out) != 0:
					t.Errorf("it left as %x", out[0])
				case test.left != NoPT && (len(out) != 1 || out[0][1]&0x7f != test.left || !bytes.Equal(out[0][12:], test.payload)):
					t.Errorf("left: %x", out)
				}
			})
		}
	}
}

// Where the other side takes digits by signalling only, one under the peer's own number is told like any other.
func TestOwnEventsAreTold(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: NoPT, Voice: audio.ALaw}, Params{AudioPT: 8, DTMFPT: NoPT, CNPT: NoPT, Voice: audio.ALaw})
	q.packet(A, 126, []byte{5, 10, 0, 160})
	if k := q.s.legs[A].in.pressing; !k.known || k.event != 5 {
		t.Errorf("%+v", k)
	}
}

func TestSpareFormatsAllocateNothing(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: NoPT, Codec: "PCMA", Voice: audio.ALaw, Spare: []Format{{9, 9, "G722", nil}, {0, 0, "PCMU", audio.MuLaw}}},
		Params{AudioPT: 8, DTMFPT: 101, CNPT: NoPT, Codec: "PCMA", Voice: audio.ALaw, Spare: []Format{{9, 9, "G722", nil}}})
	voice, event := make([]byte, 160), []byte{5, 10, 0, 160}
	port, from := q.s.legs[A].local.ports[rtp], q.peers[A]
	p := q.t.input.slot(0)[headroom:]
	left := 0
	n := testing.AllocsPerRun(100, func() {
		for i, payload := range [][]byte{voice, voice, voice, event} {
			q.t.slot, q.t.input.next, q.t.batch.n = 0, 1, 0
			p[0], p[1], p[2], p[3] = 0x80, []byte{8, 9, 0, 126}[i], byte(q.seq>>8), byte(q.seq)
			q.seq++
			copy(p[12:], payload)
			q.t.receive(port, p[:12+len(payload)], from)
			left += q.t.batch.n
		}
	})
	q.left()
	if n != 0 || left != 4*101 {
		t.Errorf("%v allocations, %d packets left", n, left)
	}
}
