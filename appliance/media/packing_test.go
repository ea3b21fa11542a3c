package media

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	pionrtcp "github.com/pion/rtcp"
)

const ms = time.Millisecond

// repacked is a call whose side A is plain and wants packets of a length; B speaks.
func repacked(t testing.TB, wants time.Duration) *quietPath {
	return newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: 13, Voice: audio.ALaw, Ptime: wants}, Params{AudioPT: 8, DTMFPT: 96, CNPT: 13, Voice: audio.ALaw})
}

// speak sends voice from an octet of the audio on, which is its timestamp too.
func (q *quietPath) speak(spurts []byte, at, octets int) [][]byte {
	q.number = uint32(at)
	return q.packet(B, 8, spurts[at:min(at+octets, len(spurts))])
}

func TestPacketsAreCutAndJoined(t *testing.T) {
	spurts := talkSpurts()[:24000] // three seconds
	for _, c := range []struct{ come, wanted, leave time.Duration }{
		{10 * ms, 20 * ms, 20 * ms}, {30 * ms, 20 * ms, 20 * ms}, {40 * ms, 20 * ms, 20 * ms}, {60 * ms, 20 * ms, 20 * ms}, {5 * ms, 20 * ms, 20 * ms},
		{20 * ms, 10 * ms, 10 * ms}, {20 * ms, 30 * ms, 30 * ms}, {20 * ms, 40 * ms, 40 * ms}, {20 * ms, 60 * ms, 60 * ms}, {30 * ms, 40 * ms, 40 * ms},
		{60 * ms, 10 * ms, 10 * ms}, {20 * ms, 500 * ms, 60 * ms}, {20 * ms, 1 * ms, 10 * ms}, {30 * ms, 0, 30 * ms}, {20 * ms, 20 * ms, 20 * ms},
	} {
		t.Run(fmt.Sprint(c.come, " to ", c.wanted), func(t *testing.T) {
			q := repacked(t, c.wanted)
			octets, size := audio.ALaw.Size(c.come), audio.ALaw.Size(c.leave)
			var heard []byte
			var first, last []byte
			for at := 0; at < len(spurts); at += octets {
				for _, p := range q.speak(spurts, at, octets) {
					switch {
					case first == nil:
						first = p
						if p[1] != 0x88 {
							t.Errorf("the first packet is not marked: %x", p[:2])
						}
					case seqOf(p) != seqOf(last)+1 || p[1] != 8 || ssrcOf(p) != ssrcOf(first):
						t.Fatalf("%x after %x", p[:12], last[:12])
					}
					if len(payload(p)) != size || int(tsOf(p)-tsOf(first)) != len(heard) {
						t.Fatalf("%d octets at %d, want %d at %d", len(payload(p)), tsOf(p)-tsOf(first), size, len(heard))
					}
					heard, last = append(heard, payload(p)...), p
				}
				q.step(c.come)
			}
			if len(heard) < len(spurts)-size || !bytes.Equal(heard, spurts[:len(heard)]) {
				t.Errorf("another voice was heard, %d octets of %d", len(heard), len(spurts))
			}
		})
	}
}

func TestCutVoiceIsConvertedToo(t *testing.T) {
	spurts := talkSpurts()
	q := newQuietPath(t, none(Params{AudioPT: 0, Voice: audio.MuLaw, Ptime: 20 * ms}), none(Params{AudioPT: 8, Voice: audio.ALaw}))
	want := convert(spurts[:1200], audio.ALaw, audio.MuLaw)
	var heard []byte
	for at := 0; at < 1200; at += 240 {
		for _, p := range q.speak(spurts, at, 240) {
			if p[1]&0x7f != 0 {
				t.Fatalf("%x", p[:2])
			}
			heard = append(heard, payload(p)...)
		}
	}
	if len(heard) != 1120 || !bytes.Equal(heard, want[:len(heard)]) {
		t.Errorf("%d octets", len(heard))
	}
}

func TestOtherCodecsAreNotCut(t *testing.T) {
	q := newQuietPath(t, none(Params{AudioPT: 9, Ptime: 20 * ms}), none(Params{AudioPT: 9}))
	if out := q.packet(B, 9, make([]byte, 240)); len(out) != 1 || len(payload(out[0])) != 240 {
		t.Errorf("%x", out)
	}
}

// step of a story: what B sends (octets of voice from a timestamp on, or another payload), under which number, and what A gets:
// the number counted from the first packet, octets, timestamp.
type packetTold struct {
	seq, at, octets int
	pt              byte
	marked          bool
	want            string
}

func TestStoriesOfCutPackets(t *testing.T) {
	for name, story := range map[string][]packetTold{
		"a loss leaves a number and a time open": {
			{0, 0, 80, 8, false, ""}, {1, 80, 80, 8, false, "0:160@0*"}, {2, 160, 80, 8, false, ""}, {4, 320, 80, 8, false, "1:80@160"},
			{5, 400, 80, 8, false, "3:160@320"},
		},
		"several lost while packets are cut": {
			{0, 0, 240, 8, false, "0:160@0*"}, {3, 720, 240, 8, false, "1:80@160 4:160@720"}, {4, 960, 240, 8, false, "5:160@880 6:160@1040"},
		},
		"a late packet goes where it was missed, once": {
			{0, 0, 240, 8, false, "0:160@0*"}, {2, 480, 240, 8, false, "1:80@160 3:160@480"}, {1, 240, 240, 8, false, "2:240@240"},
			{1, 240, 240, 8, false, ""}, {3, 720, 240, 8, false, "4:160@640 5:160@800"}, {0, 0, 240, 8, false, ""},
		},
		"copies do not pass": {
			{0, 0, 80, 8, false, ""}, {0, 0, 80, 8, false, ""}, {1, 80, 80, 8, false, "0:160@0*"}, {1, 80, 80, 8, false, ""}, {2, 160, 80, 8, false, ""},
			{3, 240, 80, 8, false, "1:160@160"},
		},
		"a digit comes after the voice before it": {
			{0, 0, 80, 8, false, ""}, {1, 80, 80, 8, false, "0:160@0*"}, {2, 160, 80, 8, false, ""}, {3, 240, 4, 96, true, "1:80@160 2:4@240*/101"},
			{4, 240, 4, 96, false, "3:4@240/101"}, {5, 640, 80, 8, false, ""}, {6, 720, 80, 8, false, "4:160@640"},
		},
		"comfort noise ends what waits; a talk spurt begins with its own marker": {
			{0, 0, 240, 8, false, "0:160@0*"}, {1, 240, 1, 13, false, "1:80@160 2:1@240/13"}, {2, 4000, 240, 8, true, "3:160@4000*"},
			{3, 4240, 240, 8, false, "4:160@4160 5:160@4320"},
		},
		"a pause without a word": {
			{0, 0, 80, 8, false, ""}, {1, 800, 80, 8, false, "0:80@0*"}, {2, 880, 80, 8, false, "1:160@800"},
		},
		"the short end of an announcement delays nothing for long": {
			{0, 0, 160, 8, false, "0:160@0*"}, {1, 160, 80, 8, false, ""}, {2, 240, 160, 8, false, "1:160@160"}, {3, 400, 160, 8, false, "2:80@320 3:160@400"},
			{4, 560, 160, 8, false, "4:160@560"},
		},
		"numbers that begin anew without saying so": {
			{0, 0, 80, 8, false, ""}, {1, 80, 80, 8, false, "0:160@0*"}, {-20000, 160, 80, 8, false, ""}, {-19999, 240, 80, 8, false, ""},
			{-19998, 320, 80, 8, false, "1:160@?*"},
		},
		"a packet without voice keeps its place": {
			{0, 0, 80, 8, false, ""}, {1, 80, 0, 8, false, "0:80@0* 1:0@80"}, {2, 80, 160, 8, false, "2:160@80"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			spurts := talkSpurts()
			q := repacked(t, 20*ms)
			var first []byte
			for n, s := range story {
				q.seq = uint16(65534 + s.seq) // and across the roll-over
				pt := s.pt
				if s.marked {
					pt |= 0x80
				}
				q.number = uint32(s.at)
				got := ""
				for _, p := range q.packet(B, pt, spurts[s.at:s.at+s.octets]) {
					if first == nil {
						first = p
					}
					at := fmt.Sprint(tsOf(p) - tsOf(first))
					if s.seq < 0 {
						at = "?" // goes on by the clock
					} else if p[1]&0x7f == 8 && !bytes.Equal(payload(p), spurts[tsOf(p)-tsOf(first):][:len(payload(p))]) {
						t.Errorf("packet %d: another voice than was sent", n)
					}
					got += fmt.Sprintf(" %d:%d@%s", seqOf(p)-seqOf(first), len(payload(p)), at)
					if p[1]&0x80 != 0 {
						got += "*"
					}
					if p[1]&0x7f != 8 {
						got += fmt.Sprintf("/%d", p[1]&0x7f)
					}
				}
				if got != "" {
					got = got[1:]
				}
				if got != s.want {
					t.Errorf("packet %d (%d at %d): %q, want %q", n, s.seq, s.at, got, s.want)
				}
				q.step(10 * ms)
			}
		})
	}
}

// Whatever a network does to the packets: what is heard at a time is what was said then, nothing twice, and nothing that came in
// order is missing.
func TestCutVoiceThroughABadNetwork(t *testing.T) {
	spurts := talkSpurts()
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		sizes := []int{80, 160, 240, 320, 480}
		come, wanted := sizes[random.IntN(5)], sizes[random.IntN(5)]
		q := repacked(t, time.Duration(wanted)*time.Second/8000)
		var order []int
		for n := range len(spurts) / come {
			if random.IntN(20) > 0 { // else lost
				order = append(order, n)
			}
			if random.IntN(20) == 0 { // a copy
				order = append(order, n)
			}
			if k := len(order); k > 1 && random.IntN(20) == 0 {
				order[k-1], order[k-2] = order[k-2], order[k-1]
			}
		}
		heard := make([]bool, len(spurts))
		came := map[uint16]bool{}
		base, zero := uint32(0), false
		for _, n := range order {
			q.seq = uint16(65500 + n)
			for _, p := range q.speak(spurts, n*come, come) {
				if !zero {
					base, zero = q.s.legs[A].out.stream.tsDelta, true
				}
				at := int(int32(tsOf(p) - base))
				if at < 0 || at+len(payload(p)) > len(spurts) || !bytes.Equal(payload(p), spurts[at:at+len(payload(p))]) {
					t.Fatalf("seed %d, %d to %d octets: another voice at %d", seed, come, wanted, at)
				}
				if came[seqOf(p)] {
					t.Fatalf("seed %d: number %d twice", seed, seqOf(p))
				}
				came[seqOf(p)] = true
				for i := at; i < at+len(payload(p)); i++ {
					if heard[i] {
						t.Fatalf("seed %d: octet %d twice", seed, i)
					}
					heard[i] = true
				}
			}
		}
		highest, missing := -1, 0
		for _, n := range order {
			if n > highest && n*come+come <= len(spurts)-2*audio.MaxSize {
				highest = n
				for i := n * come; i < (n+1)*come; i++ {
					if !heard[i] {
						missing++
					}
				}
			}
		}
		if missing > 0 {
			t.Errorf("seed %d, %d to %d octets: %d octets that came in order are missing", seed, come, wanted, missing)
		}
	}
}

func TestPausesBetweenCutPackets(t *testing.T) {
	spurts := talkSpurts()
	q := newQuietPath(t, Params{AudioPT: 8, DTMFPT: 101, CNPT: 13, Voice: audio.ALaw, Suppress: true, Ptime: 20 * ms}, none(Params{AudioPT: 8, Voice: audio.ALaw}))
	var last, first []byte
	noise, voice := 0, 0
	for at := 0; at < len(spurts); at += 240 {
		for _, p := range q.speak(spurts, at, 240) {
			if first == nil {
				first = p
			} else if seqOf(p) != seqOf(last)+1 || int32(tsOf(p)-tsOf(last)) <= 0 {
				t.Fatalf("%x after %x", p[:12], last[:12])
			}
			if last = p; p[1]&0x7f == 13 {
				noise++
				continue
			}
			voice++
			if from := int(tsOf(p) - tsOf(first)); !bytes.Equal(payload(p), spurts[from:from+len(payload(p))]) {
				t.Errorf("at %d another voice came", at)
			}
		}
		q.step(30 * ms)
	}
	if noise < 3 || voice < 150 || voice > 200 {
		t.Errorf("%d packets of voice, %d of noise", voice, noise)
	}
}

func TestNoiseIsPlayedInPacketsOfTheLengthThatIsWanted(t *testing.T) {
	q := newQuietPath(t, none(Params{AudioPT: 8, Voice: audio.ALaw, Ptime: 30 * ms}), Params{AudioPT: 8, DTMFPT: NoPT, CNPT: 13, Voice: audio.ALaw})
	q.packet(B, 13, []byte{50})
	n := 0
	for range 300 {
		q.t.sendNoise()
		for _, p := range q.left() {
			if n++; len(payload(p)) != 240 {
				t.Fatalf("%d octets of noise", len(payload(p)))
			}
		}
		q.step(ms)
	}
	if n != 10 {
		t.Errorf("%d packets in 300 ms", n)
	}
}

// A re-INVITE asks for another length, and for none in particular; the stream goes on.
func TestAnotherLengthIsAgreedDuringACall(t *testing.T) {
	spurts := talkSpurts()
	a := none(Params{AudioPT: 8, Voice: audio.ALaw, Ptime: 20 * ms})
	q := newQuietPath(t, a, none(Params{AudioPT: 8, Voice: audio.ALaw}))
	a.Remote, a.Send, a.Receive = q.peers[A].Netip(), true, true
	var last []byte
	at := 0
	for _, ptime := range []time.Duration{20 * ms, 30 * ms, 40 * ms, 0, 10 * ms} {
		a.Ptime = ptime
		if err := q.s.Set(A, a); err != nil {
			t.Fatal(err)
		}
		sizes := map[int]int{}
		for range 12 {
			for _, p := range q.speak(spurts, at, 240) {
				if last != nil && seqOf(p) != seqOf(last)+1 {
					t.Fatalf("%v: number %d after %d", ptime, seqOf(p), seqOf(last))
				}
				last = p
				sizes[len(payload(p))]++
			}
			at += 240
			q.step(30 * ms)
		}
		want := audio.ALaw.Size(ptime)
		if want == 0 {
			want = 240
		}
		if len(sizes) != 1 || sizes[want] < 240*11/want {
			t.Errorf("%v: %v", ptime, sizes)
		}
	}
}

// Through the whole relay: the PBX sends 30 ms and gets 30, Teams sends 20 and gets 20, encrypted.
func TestTwoSidesWithDifferentPackets(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.pa.Voice, c.pb.Voice, c.pa.Ptime, c.pb.Ptime = audio.ALaw, audio.ALaw, 20*ms, 30*ms
	c.set(t)
	spurts := talkSpurts()
	send := func(p *peer, at, octets int) {
		plain := srtptest.Packet(p.ssrc, p.seq, octets)
		putTS(plain, uint32(at))
		copy(plain[12:], spurts[at:])
		p.seq++
		wire := plain
		if p.out != nil {
			var err error
			if wire, err = p.out.EncryptRTP(nil, plain, nil); err != nil {
				t.Fatal(err)
			}
		}
		p.write(p.rtp, p.to.RTP, wire)
	}
	var a, b, last []byte
	for n := range 20 {
		for i := range 3 {
			send(c.a, 480*n+160*i, 160)
		}
		for i := range 2 {
			send(c.b, 480*n+240*i, 240)
		}
		for range 3 {
			p := c.a.receive()
			a, last = append(a, payload(p)...), p
			if len(payload(p)) != 160 {
				t.Fatalf("A got %d octets", len(payload(p)))
			}
		}
		for range 2 {
			p := c.b.receive()
			b = append(b, payload(p)...)
			if len(payload(p)) != 240 {
				t.Fatalf("B got %d octets", len(payload(p)))
			}
		}
	}
	if !bytes.Equal(a, spurts[:9600]) || !bytes.Equal(b, spurts[:9600]) {
		t.Error("another voice was heard")
	}
	// What A reports of our packets is passed on in the numbers of those that B has sent.
	plain, err := pionrtcp.Marshal([]pionrtcp.Packet{&pionrtcp.ReceiverReport{SSRC: c.a.ssrc, Reports: []pionrtcp.ReceptionReport{{SSRC: ssrcOf(last),
		LastSequenceNumber: uint32(seqOf(last)), FractionLost: 7, Jitter: 9}}}})
	if err != nil {
		t.Fatal(err)
	}
	wire, err := c.a.out.EncryptRTCP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.a.write(c.a.rtcp, c.a.to.RTCP, wire)
	var report pionrtcp.ReceiverReport
	if err := report.Unmarshal(c.b.read(c.b.rtcp, patience)[:32]); err != nil || len(report.Reports) != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	if r := report.Reports[0]; r.SSRC != c.b.ssrc || uint16(r.LastSequenceNumber) != c.b.seq-1 || r.FractionLost != 7 || r.Jitter != 9 {
		t.Errorf("%+v, B has sent up to %d", r, c.b.seq-1)
	}
}

// More packets than one side's memory holds come and leave in one turn of the thread.
func TestABurstThatIsCut(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.pa.Voice, c.pb.Voice, c.pa.Ptime = audio.ALaw, audio.ALaw, 10*ms
	c.set(t)
	spurts := talkSpurts()
	for n := range 10 {
		plain := srtptest.Packet(c.b.ssrc, c.b.seq, 480)
		putTS(plain, uint32(480*n))
		copy(plain[12:], spurts[480*n:])
		c.b.seq++
		c.b.write(c.b.rtp, c.b.to.RTP, plain)
	}
	var heard []byte
	for range 60 {
		heard = append(heard, payload(c.a.receive())...)
	}
	if !bytes.Equal(heard, spurts[:4800]) {
		t.Error("another voice was heard")
	}
}
