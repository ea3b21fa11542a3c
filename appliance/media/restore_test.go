package media

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"viaduct/appliance/audio"
	"viaduct/appliance/media/marks"
	"viaduct/appliance/pair"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"
)

// carried are a state and marks as another box gets them.
func carried(t testing.TB, state State, m Marks) (State, Marks) {
	t.Helper()
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	octets, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var there State
	if err := json.Unmarshal(text, &there); err != nil {
		t.Fatal(err)
	}
	var told Marks
	if err := told.UnmarshalBinary(octets); err != nil {
		t.Fatal(err)
	}
	if told != m && !hasIdle(m) {
		t.Errorf("marks change on the way:\n%+v\n%+v", m, told)
	}
	t.Logf("state of %d octets, marks of %d", len(text), len(octets))
	return there, told
}

// dies ends the call's session without a word, and has another relay restore it. What the first one does after state and marks is lost.
func (c *callOf) dies(t testing.TB, other *Relay, state State, m Marks, since time.Duration) {
	t.Helper()
	state, m = carried(t, state, m)
	c.Close()
	s, err := other.Restore(state, m, since)
	if err != nil {
		t.Fatal(err)
	}
	c.Session = s
	t.Cleanup(func() { s.Close() })
}

func hasIdle(m Marks) bool {
	for _, side := range m.Sides {
		if side.Out.Idle%marks.IdleUnit != 0 {
			return true
		}
	}
	return false
}

func TestARestoredCallGoesOn(t *testing.T) { eachWay(t, Options{}, testRestored) }

func testRestored(t *testing.T, r *Relay) {
	for _, suite := range []string{"", srtp.AES80, srtp.AES32, srtp.GCM128, srtp.GCM256} {
		t.Run(suite, func(t *testing.T) {
			c := call(t, r, suite)
			c.a.seq, c.b.seq = 65500, 65520
			for range 50 {
				c.talk(t)
			}
			if suite != "" {
				c.reportsBothWays(t)
			}
			state, marks := c.State(), c.Marks()
			for range 50 {
				c.talk(t) // which the other box does not know
			}
			c.dies(t, running(t, Options{ownSockets: r.options.ownSockets}), state, marks, time.Second)
			for range 50 {
				c.talk(t)
			}
			if suite != "" {
				c.reportsBothWays(t)
			}
			for side, s := range c.Close() {
				if s.AuthFailed+s.Replayed+s.Invalid+s.Foreign+s.Late+s.Duplicates != 0 || s.Received != 100 || s.Sent != 100 || s.Lost != 0 {
					t.Errorf("side %v: %+v", Side(side), s)
				}
			}
		})
	}
}

// The receivers are strict ones: pion and libsrtp, whose contexts live as long as the call. It dies again and again, at any packet, with marks of any
// age that the box keeps to, and goes on in the other relay. No packet may fail to authenticate, and no number come twice.
func TestAnyMomentToDie(t *testing.T) {
	for _, by := range []string{"pion", "libsrtp"} {
		for _, suite := range []string{srtp.AES80, srtp.GCM256} {
			t.Run(by+" "+suite, func(t *testing.T) { testAnyMoment(t, by == "libsrtp", suite) })
		}
	}
}

func testAnyMoment(t *testing.T, cisco bool, suite string) {
	relays := [2]*Relay{running(t, Options{}), running(t, Options{})}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 2 {
		c := call(t, relays[0], suite)
		if cisco {
			c.pa.LocalKey, c.pa.RemoteKey = c.a.secureBy(newLibsrtp(t), suite)
			c.set(t)
		}
		var h heardIndexes
		hear := func(packets int) {
			t.Helper()
			for range packets {
				c.talk(t)
				h.note(t, c.lastToA())
			}
		}
		hear(random.IntN(3)) // none: the stream has not begun
		for range random.IntN(3) {
			c.nearTheEnd(t) // 65,536 packets on, in steps that a receiver can follow
			h.last = c.lastToA()
			hear(random.IntN(60))
		}
		for death := range 5 {
			state, marks := c.State(), c.Marks()
			since := time.Duration(random.IntN(10_000)) * ms
			unknown := min(random.IntN(200), int(since/(10*ms)))
			if hear(unknown); random.IntN(2) == 0 {
				c.reportsBothWays(t)
			}
			if random.IntN(4) == 0 {
				state, marks = c.State(), Marks{} // there was no time for marks
			}
			for range random.IntN(200) { // lost: nobody listened
				c.a.packet(8)
			}
			c.b.seq += uint16(random.IntN(200))
			c.dies(t, relays[(death+1)%2], state, marks, since)
			if random.IntN(2) == 0 {
				c.set(t) // as the call does, to say who may send
			}
			if hear(1 + random.IntN(30)); random.IntN(2) == 0 {
				c.reportsBothWays(t)
			}
		}
		for side, s := range c.Close() {
			if s.AuthFailed+s.Replayed+s.Invalid+s.Foreign+s.Late+s.Duplicates != 0 {
				t.Errorf("side %v: %+v", Side(side), s)
			}
		}
	}
}

// heardIndexes sees to it that the numbers of a stream only grow, by less than a receiver can follow.
type heardIndexes struct {
	begun bool
	last  uint16
}

func (h *heardIndexes) note(t *testing.T, seq uint16) {
	t.Helper()
	if step := int16(seq - h.last); h.begun && step <= 0 {
		t.Fatalf("number %d after %d", seq, h.last)
	}
	h.begun, h.last = true, seq
}

// A peer that went round while nobody took marks is found by the next roll-over counter, for as long as nothing else has proved the old one.
func TestThePeersRollOverIsFound(t *testing.T) {
	r := running(t, Options{})
	for _, suite := range []string{srtp.AES80, srtp.GCM128} {
		for _, missed := range []int{100, 30_000, 40_000, 65_500, 65_536, 70_000, 95_000} {
			c := call(t, r, suite)
			c.a.seq = 60_000
			for range 3 {
				c.talk(t)
			}
			state, marks := c.State(), c.Marks()
			for left := missed; left > 0; left -= 20_000 {
				c.a.seq += uint16(min(left, 20_000)) - 1
				c.a.packet(8)
			}
			c.dies(t, r, state, marks, 100*time.Second)
			for range 3 {
				_, wire := c.a.packet(8)
				wire[len(wire)-1] ^= 1
				c.a.write(c.a.rtp, c.a.to.RTP, wire)
			}
			for range 3 {
				c.talk(t)
			}
			if s := c.Close()[A]; s.AuthFailed != 3 || s.Received != 6 {
				t.Errorf("%s, %d packets missed: %+v", suite, missed, s)
			}
		}
	}
}

// The doubt ends: a peer that sends rubbish is not tried with two counters for ever.
func TestTheDoubtAboutARollOverEnds(t *testing.T) {
	r := running(t, Options{})
	c := call(t, r, srtp.AES80)
	c.talk(t)
	c.dies(t, r, c.State(), c.Marks(), 0)
	for range doubted {
		_, wire := c.a.packet(8)
		wire[len(wire)-1] ^= 1
		c.a.write(c.a.rtp, c.a.to.RTP, wire)
	}
	c.talk(t) // once these have been heard
	if s := c.Stats(A); s.AuthFailed != doubted {
		t.Errorf("%+v", s)
	}
	c = call(t, r, srtp.AES80)
	c.talk(t)
	c.dies(t, r, c.State(), c.Marks(), 0)
	for range doubted {
		_, wire := c.a.packet(8)
		wire[len(wire)-1] ^= 1
		c.a.write(c.a.rtp, c.a.to.RTP, wire)
	}
	c.until(A, func(s Stats) bool { return s.AuthFailed >= doubted })
	var doubt uint8
	c.thread.do(func() { doubt = c.legs[A].keys.doubt })
	if doubt != 0 {
		t.Errorf("%d more packets would be tried twice", doubt)
	}
}

// A digit that is being pressed has the same timestamp before and after: it stays one digit.
func TestADigitGoesOnAsOne(t *testing.T) {
	for _, suite := range []string{"", srtp.AES80} {
		r := running(t, Options{})
		c := call(t, r, suite)
		c.talk(t)
		began := uint32(c.b.seq) * 160
		press := func() []byte {
			p := srtptest.Packet(c.b.ssrc, c.b.seq, 4)
			c.b.seq++
			p[1] = 101
			copy(p[12:], []byte{5, 10, 0, 160})
			putTS(p, began)
			c.b.write(c.b.rtp, c.b.to.RTP, p)
			return c.a.receive()
		}
		first := press()
		state, marks := c.State(), c.Marks()
		c.b.seq += 60
		c.dies(t, r, state, marks, time.Second)
		next := press()
		if tsOf(next) != tsOf(first) || ssrcOf(next) != ssrcOf(first) || next[1] != 101 || int16(seqOf(next)-seqOf(first)) <= 1 {
			t.Errorf("%x, then %x", first[:12], next[:12])
		}
		c.b.seq, began = c.b.seq+7000, began+7000*160 // another source in all but its name
		if other := press(); tsOf(other) == tsOf(first) {
			t.Errorf("%x", other[:12])
		}
	}
}

// A source that was learnt stays the only one, and who else may send is for the call to say again.
func TestTheLearntSourceStays(t *testing.T) { eachWay(t, Options{}, testLearntSourceStays) }

func testLearntSourceStays(t *testing.T, r *Relay) {
	for _, suite := range []string{"", srtp.AES80} {
		c := call(t, r, suite)
		c.pa.Remote, c.pa.Latch = netip.MustParseAddrPort("127.0.0.1:9"), LatchHost
		c.pa.Admit = func(netip.AddrPort) bool { return true }
		c.set(t)
		state := c.State() // nothing is learnt yet
		c.talk(t)
		learnt := c.Marks()
		c.dies(t, r, state, learnt, 0)
		stranger := newPeer(t, "127.0.0.1")
		stranger.to, stranger.out = c.a.to, c.a.out
		stranger.send(8)
		c.b.nothing("a stranger after the restore")
		c.talk(t)
		c.dies(t, r, state, Marks{}, 0)
		c.a.send(8)
		c.b.nothing("nobody was learnt, and the call has not said who may send")
		c.set(t)
		c.a.send(8)
		c.b.receive()
	}
}

func TestWhatCannotBeRestored(t *testing.T) {
	r := running(t, Options{})
	c := call(t, r, srtp.AES80)
	c.talk(t)
	state, marks := c.State(), c.Marks()
	if _, err := r.Restore(state, marks, time.Second); !errors.Is(err, ErrNoPort) {
		t.Errorf("ports that another call has: %v", err)
	}
	c.pa.LocalKey, c.pa.RemoteKey = c.a.secure(srtp.AES80)
	c.set(t)
	c.talk(t)
	later := c.Marks()
	rekeyed := c.State()
	c.Close()
	if _, err := r.Restore(state, marks, 10*time.Minute); !errors.Is(err, ErrStale) {
		t.Errorf("marks of long ago: %v", err)
	}
	if _, err := r.Restore(state, later, 0); !errors.Is(err, ErrStale) {
		t.Errorf("marks of a key that the state does not have: %v", err)
	}
	s, err := r.Restore(rekeyed, marks, 0) // marks of the key before count for nothing
	if err != nil {
		t.Fatal(err)
	}
	c.Session = s
	c.talk(t)
	if c.Close(); c.State().Sides[A].Port != 0 {
		t.Error("a closed session has a state")
	}
}

// A box makes its calls' ports ready before it has the address.
func TestPortsOfAnAddressThatIsStillToCome(t *testing.T) {
	eachWay(t, Options{}, func(t *testing.T, r *Relay) {
		c := call(t, r, "")
		for _, addr := range []string{"192.0.2.77", "2001:db8::77"} {
			state := c.State()
			state.Sides[B].Ports.Addr = netip.MustParseAddr(addr)
			state.Sides[A].Ports.Addr = state.Sides[B].Ports.Addr
			state.Sides[A].Port += 2
			s, err := r.Restore(state, Marks{}, 0)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
	})
}

func TestNothingLeavesAfterTheTerm(t *testing.T) {
	var term pair.Term
	r := running(t, Options{Term: &term})
	term.Extend(time.Minute)
	c := call(t, r, srtp.AES80)
	c.talk(t)
	term.End()
	c.b.send(8)
	c.a.nothing("the term is over")
	term.Extend(time.Minute)
	c.talk(t)
}

// BenchmarkRestore is a call with SRTP that is taken over; it ends again outside of the time.
func BenchmarkRestore(b *testing.B) {
	r := running(b, Options{Quarantine: 1})
	c := call(b, r, srtp.AES80)
	c.talk(b)
	state, marks := c.State(), c.Marks()
	c.Close()
	for b.Loop() {
		s, err := r.Restore(state, marks, time.Second)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
}

// The other box may have another release. Whatever its state says or lacks, the relay takes it or refuses it, and works on for the others.
func TestADamagedStateHarmsNothing(t *testing.T) {
	r := running(t, Options{})
	c, other := call(t, r, srtp.AES80), call(t, r, srtp.GCM128)
	c.pa.Voice, c.pb.Voice, c.pa.Codec, c.pb.Codec = audio.ALaw, audio.ALaw, "PCMA", "PCMA"
	c.set(t)
	c.talk(t)
	text, err := json.Marshal(c.State())
	if err != nil {
		t.Fatal(err)
	}
	to := [2]netip.AddrPort{c.a.to.RTP, c.b.to.RTP}
	c.Close()
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	var restored, refused int
	try := func() {
		text, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		var state State
		if json.Unmarshal(text, &state) != nil {
			return
		}
		s, err := r.Restore(state, Marks{}, 0)
		if err != nil {
			refused++
			return
		}
		restored++
		for range 2 {
			for i, p := range []*peer{c.a, c.b} {
				_, wire := p.packet(8)
				p.write(p.rtp, to[i], wire)
			}
			for _, side := range []Side{A, B} {
				_ = s.Press(side, 5, 100*ms)
				s.Stats(side)
			}
		}
		s.Close()
	}
	var walk func(at any, put func(any))
	walk = func(at any, put func(any)) {
		for _, with := range []any{nil, "", "x", -1, 0, 1, 255, 65535, 1 << 40, false, true, []any{}, map[string]any{}} {
			put(with)
			try()
		}
		put(at)
		switch at := at.(type) {
		case map[string]any:
			for key, value := range at {
				walk(value, func(v any) { at[key] = v })
			}
		case []any:
			for n, value := range at {
				walk(value, func(v any) { at[n] = v })
			}
		}
	}
	walk(whole, func(v any) { whole = v })
	t.Logf("%d restored, %d refused", restored, refused)
	if restored < 20 || refused < 20 {
		t.Errorf("%d restored, %d refused", restored, refused)
	}
	other.talk(t)
}
