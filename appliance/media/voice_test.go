package media

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/media/wire"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// quietPath is a session without system calls, plain on both sides, whose packets and time a test makes.
type quietPath struct {
	testing.TB
	t      *thread
	s      *Session
	peers  [2]wire.Address
	seq    uint16
	number uint32 // timestamp
}

func newQuietPath(t testing.TB, a, b Params) *quietPath {
	t.Helper()
	r := New(Options{})
	q := &quietPath{TB: t, t: r.threads[0], s: r.NewSession(), seq: 65530}
	t.Cleanup(func() {
		q.s.Close()
		q.t.batch.raw = -1
		q.t.closeFiles() // it never runs
	})
	r.prepared = true
	q.t.batch.raw = 1 << 30
	for side, p := range []Params{a, b} {
		if _, err := q.s.Open(Side(side), PortOptions{Addr: netip.AddrFrom4([4]byte{127, 0, 0, byte(3 + side)}), First: 20000, Last: 29999}); err != nil {
			t.Fatal(err)
		}
		p.Remote, p.Send, p.Receive = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + side)}), 9), true, true
		q.peers[side] = wire.AddressOf(p.Remote)
		if err := q.s.Set(Side(side), p); err != nil {
			t.Fatal(err)
		}
	}
	q.t.now = time.Second
	return q
}

// packet lets a packet come in and returns those that leave.
func (q *quietPath) packet(side Side, pt byte, payload []byte) [][]byte {
	q.t.slot, q.t.input.next = 0, 1
	p := q.t.input.slot(0)[headroom:]
	p[0], p[1] = 0x80, pt
	binary.BigEndian.PutUint16(p[2:], q.seq)
	binary.BigEndian.PutUint32(p[4:], q.number)
	binary.BigEndian.PutUint32(p[8:], 77)
	copy(p[12:], payload)
	q.t.receive(q.s.legs[side].local.ports[rtp], p[:12+len(payload)], q.peers[side])
	q.seq++
	return q.left()
}

func (q *quietPath) left() (out [][]byte) {
	for i := range q.t.batch.n {
		out = append(out, bytes.Clone(q.t.batch.entries[i].packet))
	}
	q.t.batch.n, q.t.input.next = 0, 0
	return out
}

func (q *quietPath) step(d time.Duration) {
	q.t.now += d
	q.number += uint32(d / (time.Second / 8000))
}

// talkSpurts is a voice with pauses over a background, A-law: what somebody might say in five seconds.
func talkSpurts() []byte {
	out, random := make([]byte, 5*8000), uint32(1)
	for i := range out {
		at := float64(i) / 8000
		random ^= random << 13
		random ^= random >> 17
		random ^= random << 5
		noise := float64(int32(random)) / (1 << 31) * 56 // -60 dBov
		if at > 3.5 {
			noise *= 2.5 // somebody opened a window
		}
		voice := 0.0
		for _, span := range [][2]float64{{0.4, 1.6}, {2.9, 3.3}, {4.6, 4.8}} {
			if at >= span[0] && at < span[1] {
				syllable := math.Abs(math.Sin(math.Pi * (at - span[0]) / 0.2))
				for h := 1.0; h <= 4; h++ {
					voice += 2500 / h * syllable * math.Sin(2*math.Pi*140*h*at)
				}
			}
		}
		audio.ALaw.Encode(out[i:i+1], []int16{int16(voice + noise)})
	}
	return out
}

// golden compares with a file in testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what came (run with -update to write it):\n%s", path, got)
	}
}

func none(p Params) Params {
	p.DTMFPT, p.CNPT = NoPT, NoPT
	return p
}

func TestPausesBecomeComfortNoise(t *testing.T) {
	spurts := talkSpurts()
	golden(t, "talk-spurts.alaw", spurts)
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: 13, Voice: audio.ALaw, Suppress: true}, none(Params{AudioPT: 8, Voice: audio.ALaw}))
	var log strings.Builder
	var last uint16
	var base uint32
	passed := 0
	for at := 0; at < len(spurts); at += 160 {
		for _, p := range q.packet(B, 8, spurts[at:at+160]) {
			if passed == 0 {
				base = tsOf(p)
			} else if seqOf(p) != last+1 {
				t.Errorf("number %d after %d", seqOf(p), last)
			}
			passed, last = passed+1, seqOf(p)
			if int(tsOf(p)-base) != at {
				t.Errorf("at %d the timestamp is %d", at, tsOf(p)-base)
			}
			switch pt := p[1]; {
			case pt&0x7f == 13:
				fmt.Fprintf(&log, "%5d ms: comfort noise, -%d dBov\n", at/8, p[12])
			case !bytes.Equal(payload(p), spurts[at:at+160]):
				t.Errorf("at %d another voice came", at)
			case pt&0x80 != 0:
				fmt.Fprintf(&log, "%5d ms: voice\n", at/8)
			}
		}
		q.step(20 * time.Millisecond)
	}
	fmt.Fprintf(&log, "%d of %d packets\n", passed, len(spurts)/160)
	golden(t, "pauses.golden", []byte(log.String()))
}

func TestLoudSoundIsNoPause(t *testing.T) {
	for _, voice := range audio.Codecs {
		q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: NoPT, CNPT: 13, Voice: voice, Suppress: true}, none(Params{AudioPT: 8, Voice: voice}))
		tone, samples := make([]byte, voice.Size(20*time.Millisecond)), make([]int16, voice.Rate/50)
		for n := range 500 { // ten seconds of a tone of -30 dBov that never changes
			for i := range samples {
				samples[i] = int16(1465 * math.Sin(2*math.Pi*440*float64(len(samples)*n+i)/float64(voice.Rate)))
			}
			voice.Encode(tone, samples)
			if out := q.packet(B, 8, tone); len(out) != 1 || out[0][1]&0x7f != 8 {
				t.Fatalf("%s, packet %d: %x", voice.Name, n, out)
			}
			q.step(20 * time.Millisecond)
		}
	}
}

func TestSilenceIsKeptWhereTheProfileDoesNotSuppressIt(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: NoPT, CNPT: 13, Voice: audio.ALaw}, none(Params{AudioPT: 8, Voice: audio.ALaw}))
	for range 100 {
		if out := q.packet(B, 8, bytes.Repeat([]byte{0xd5}, 160)); len(out) != 1 || out[0][1]&0x7f != 8 {
			t.Fatalf("%x", out)
		}
		q.step(20 * time.Millisecond)
	}
}

func TestCopiesAndLatePacketsInAPause(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: NoPT, CNPT: 13, Voice: audio.ALaw, Suppress: true}, none(Params{AudioPT: 8, Voice: audio.ALaw}))
	silence, voice := bytes.Repeat([]byte{0xd5}, 160), bytes.Repeat([]byte{0x2a, 0xaa}, 80)
	var numbers []uint16
	for n := range 60 {
		octets := silence
		if n > 50 {
			octets = voice
		}
		for range 2 {
			for _, p := range q.packet(B, 8, octets) {
				numbers = append(numbers, seqOf(p))
			}
			q.seq-- // and once more
		}
		q.seq++
		q.step(20 * time.Millisecond)
	}
	if len(numbers) != 10+9 { // the first are passed, one is the description; then voice
		t.Fatalf("%d packets", len(numbers))
	}
	for i := range numbers[1:] {
		if numbers[i+1] != numbers[i]+1 {
			t.Errorf("number %d after %d", numbers[i+1], numbers[i])
		}
	}
}

func TestComfortNoiseIsPlayedToASideThatCannotTakeIt(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: NoPT, CNPT: 13, Voice: audio.ALaw}, none(Params{AudioPT: 8, Voice: audio.ALaw}))
	voice := bytes.Repeat([]byte{0x2a, 0xaa}, 80)
	last := q.packet(A, 8, voice)[0]
	take := func(at string, packets [][]byte) {
		t.Helper()
		for _, p := range packets {
			if seqOf(p) != seqOf(last)+1 || p[1]&0x7f != 8 || len(p) != 172 {
				t.Fatalf("%s: number %d after %d, %x", at, seqOf(p), seqOf(last), p[:2])
			}
			if d := tsOf(p) - tsOf(last); d != 160 {
				t.Errorf("%s: the timestamp is %d further", at, d)
			}
			last = p
		}
	}
	q.step(20 * time.Millisecond)
	take("description", q.packet(A, 13, []byte{50}))
	q.s.legs[B].out.noise.white = audio.NewNoise(1) // the same noise every time
	q.s.legs[B].out.noise.white.SetLevel(50)
	var heard []byte
	for range 1000 {
		q.t.sendNoise()
		out := q.left()
		take("noise", out)
		for _, p := range out {
			heard = append(heard, payload(p)...)
		}
		q.step(time.Millisecond)
	}
	golden(t, "noise.alaw", heard)
	if level := audio.ALaw.Level(heard); len(heard) != 50*160 || level < 49 || level > 51 {
		t.Errorf("%d octets of noise at -%d dBov", len(heard), level)
	}
	take("voice", q.packet(A, 8, voice))
	if last[1] != 0x88 {
		t.Errorf("the voice after the noise is not marked")
	}
	q.step(20 * time.Millisecond)
	if q.t.sendNoise(); len(q.t.noisy) > 0 || len(q.left()) > 0 {
		t.Errorf("the noise goes on under the voice")
	}
}

// The peer of A describes its pauses once; a thread that has nothing else to do wakes up for the noise.
func TestNoiseIsPlayedByAnIdleThread(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.pa.Voice, c.pb.Voice, c.pb.CNPT = audio.ALaw, audio.MuLaw, NoPT
	c.set(t)
	plain := srtptest.Packet(c.a.ssrc, c.a.seq, 1)
	plain[1], plain[12] = 13, 40
	wire, err := c.a.out.EncryptRTP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.a.write(c.a.rtp, c.a.to.RTP, wire)
	var took time.Duration
	for range 40 { // a machine that has other things to do does not hinder every time
		began := time.Now()
		for range 25 {
			p := c.b.receive()
			if level := audio.MuLaw.Level(payload(p)); p[1]&0x7f != 8 || level < 38 || level > 42 {
				t.Fatalf("%x, -%d dBov", p[:12], level)
			}
		}
		if took = time.Since(began); took > 450*time.Millisecond && took < 900*time.Millisecond {
			return
		}
	}
	t.Errorf("25 packets of noise in %v", took)
}

// The default limit is longer than any pause; whoever describes a pause now and then, or only reports, is there.
func TestALongPauseIsNoSilence(t *testing.T) {
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: NoPT, CNPT: 13, Voice: audio.ALaw, Suppress: true}, none(Params{AudioPT: 8, Voice: audio.ALaw}))
	l := &q.s.legs[A]
	for range 10 {
		q.packet(A, 13, []byte{60})
		q.step(80 * time.Second)
		if q.t.housekeep(); l.in.silent {
			t.Fatal("a side that sends comfort noise is taken for silent")
		}
	}
	q.step(11 * time.Second)
	if q.t.housekeep(); !l.in.silent {
		t.Error("a side that sends nothing for 91 s is not taken for silent")
	}
}

// Whatever an admitted peer sends, RTP or RTCP: what leaves is RTP or RTCP of ours, and no longer than a slot.
func FuzzRelay(f *testing.F) {
	f.Add([]byte{0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0xd5, 0xd5, 0xd5}, uint16(3))
	f.Add([]byte{0xb1, 13, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 60}, uint16(2))
	f.Add([]byte{0xa0, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 200}, uint16(40))
	f.Add([]byte{0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, uint16(1))
	f.Add([]byte{0x80, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 5, 0x8a, 3, 32}, uint16(67))
	f.Fuzz(func(t *testing.T, packet []byte, times uint16) {
		if len(packet) < 2 || len(packet) > maxInput {
			return
		}
		event := uint8(96)
		if times&64 != 0 {
			event = NoPT // digits are told
		}
		q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: 13, Voice: audio.ALaw, Suppress: true, Mux: true, Ptime: 20 * ms},
			Params{AudioPT: 0, DTMFPT: event, CNPT: NoPT, Voice: audio.MuLaw, Mux: true, Ptime: 60 * ms})
		for n := range times % 50 {
			for side := range q.peers {
				q.t.slot, q.t.input.next = 0, 1
				p := q.t.input.slot(0)[headroom:]
				copy(p, packet)
				if !isRTCP(p[1]) && len(packet) > 3 {
					p[3] += byte(n)
				}
				q.t.receive(q.s.legs[side].local.ports[rtp], p[:len(packet)], q.peers[side])
			}
			q.t.sendNoise()
			for _, out := range q.left() {
				if len(out) < 8 || out[0]>>6 != 2 || len(out) > maxInput+tailroom {
					t.Fatalf("%x left", out)
				}
			}
			q.step(20 * time.Millisecond)
		}
	})
}
