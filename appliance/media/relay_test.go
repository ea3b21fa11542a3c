package media

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	"golang.org/x/sys/unix"
)

func TestBothDirections(t *testing.T) { eachWay(t, Options{}, testBothDirections) }

func testBothDirections(t *testing.T, r *Relay) {
	for _, suite := range []string{"", srtp.AES80, srtp.AES32, srtp.GCM128, srtp.GCM256} {
		t.Run(suite, func(t *testing.T) {
			c := call(t, r, suite)
			for range 20 {
				c.talk(t)
			}
			final := c.Close()
			for side, s := range final {
				if s.Received != 20 || s.Sent != 20 || s.Lost != 0 || s.Foreign+s.AuthFailed+s.Replayed+s.Invalid+s.Duplicates+s.Late != 0 {
					t.Errorf("side %v: %+v", Side(side), s)
				}
			}
			if final[B].SentOctets != 20*172 || final[A].Last.IsZero() || final[A].Source != at(c.a.rtp) {
				t.Errorf("%+v", final)
			}
		})
	}
}

func TestRollOverNear65535(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.a.seq, c.b.seq = 65500, 65500
	for range 100 {
		c.talk(t)
	}
}

func TestFirstPacketHeardIsPastTheRollOver(t *testing.T) {
	r := running(t, Options{})
	for _, suite := range srtp.Suites {
		c := call(t, r, suite)
		c.a.seq = 65530
		for range 10 { // lost
			c.a.packet(8)
		}
		c.talk(t)
		c.talk(t)
		if s := c.Stats(A); s.AuthFailed != 0 {
			t.Errorf("%s: %+v", suite, s)
		}
	}
}

func TestRollOverTowardsSRTP(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	for range 3 { // in steps that a receiver can follow
		c.b.seq += 30000
		c.talk(t)
	}
}

func TestRefreshWithTheSameKeysGoesOn(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.a.seq = 65530
	for range 10 {
		c.talk(t)
	}
	c.set(t)
	for range 10 {
		c.talk(t)
	}
}

func TestNewKeysBeginAtRollOverCounterZero(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.a.seq = 65530
	for range 10 {
		c.talk(t)
	}
	c.pa.LocalKey, c.pa.RemoteKey = c.a.secure(srtp.AES80)
	c.set(t)
	for range 10 {
		c.talk(t)
	}
	c.pa.LocalKey, c.pa.RemoteKey = c.a.secure(srtp.GCM128)
	c.set(t)
	for range 10 {
		c.talk(t)
	}
}

func TestReplayedAndForgedPackets(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	_, wire := c.a.packet(8)
	for range 3 {
		c.a.write(c.a.rtp, c.a.to.RTP, wire)
	}
	c.b.receive()
	_, forged := c.a.packet(8)
	forged[40] ^= 1
	c.a.write(c.a.rtp, c.a.to.RTP, forged)
	c.a.write(c.a.rtp, c.a.to.RTP, []byte("not RTP"))
	c.b.nothing("replayed or forged")
	if s := c.until(A, func(s Stats) bool { return s.Replayed+s.AuthFailed+s.Invalid >= 4 }); s.Replayed != 2 || s.AuthFailed != 1 || s.Invalid != 1 {
		t.Errorf("%+v", s)
	}
	c.talk(t)
}

func TestReorderedPacketsPassAndDuplicatesDoNot(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	_, first := c.b.packet(8)
	_, second := c.b.packet(8)
	for _, p := range [][]byte{second, first, first, second} {
		c.b.write(c.b.rtp, c.b.to.RTP, p)
	}
	x, y := c.a.receive(), c.a.receive()
	if seqOf(x) != seqOf(y)+1 {
		t.Errorf("%d, %d", seqOf(x), seqOf(y))
	}
	c.a.nothing("duplicate")
	if s := c.Stats(A); s.Duplicates != 0 {
		t.Errorf("counted on the wrong side: %+v", s)
	}
	if s := c.until(B, func(s Stats) bool { return s.Duplicates >= 2 }); s.Duplicates != 2 {
		t.Errorf("%+v", s)
	}
}

func TestDirections(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	c.pa.Send = false
	c.set(t)
	c.b.send(8)
	c.a.nothing("may not send")
	c.pa.Send, c.pa.Receive = true, false
	c.set(t)
	c.a.send(8)
	c.b.nothing("may not receive")
	c.pa.Receive = true
	c.pa.Remote = netip.MustParseAddrPort("0.0.0.0:4000") // hold by zero address
	c.set(t)
	c.b.send(8)
	c.a.nothing("held")
	c.pa = c.a.params(c.pa.LocalKey, c.pa.RemoteKey)
	c.pa.Latch = LatchHost
	c.set(t)
	c.talk(t)
}

func TestPayloadTypesAreTranslated(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.pa.DTMFPT, c.pa.CNPT = 126, 118
	c.pa.Received = &PayloadTypes{Audio: 8, DTMF: 97, CN: 118}
	c.pb.CNPT = NoPT
	c.set(t)
	for _, step := range []struct {
		from, to *peer
		in, want byte
	}{{c.a, c.b, 97, 101}, {c.b, c.a, 101, 126}, {c.a, c.b, 8, 8}} {
		step.from.send(step.in)
		if got := step.to.receive()[1] & 0x7f; got != step.want {
			t.Errorf("%d became %d, not %d", step.in, got, step.want)
		}
	}
	c.a.send(118)
	c.a.send(99)
	c.b.nothing("payload type that was not agreed")
	if s := c.until(A, func(s Stats) bool { return s.Invalid >= 2 }); s.Invalid != 2 {
		t.Errorf("%+v", s)
	}
	c.b.send(0x80 | 101)
	if got := c.a.receive()[1]; got != 0x80|126 {
		t.Errorf("the marker is lost: %#x", got)
	}
}

func TestStreamGoesOnWhenTheSourceChanges(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	for range 3 {
		c.b.send(8)
	}
	var last []byte
	for range 3 {
		last = c.a.receive()
	}
	next := func(what string, marker bool) {
		t.Helper()
		c.b.send(8)
		got := c.a.receive()
		if ssrcOf(got) != ssrcOf(last) || seqOf(got) != seqOf(last)+1 {
			t.Errorf("%s: SSRC %x after %x, number %d after %d", what, ssrcOf(got), ssrcOf(last), seqOf(got), seqOf(last))
		}
		if d := tsOf(got) - tsOf(last); d == 0 || d > 8000 {
			t.Errorf("%s: timestamp goes on by %d", what, d)
		}
		if got[1]&0x80 != 0 != marker {
			t.Errorf("%s: marker is %v", what, !marker)
		}
		last = got
	}
	c.b.ssrc, c.b.seq = 42, 9
	next("another SSRC", true)
	next("same source", false)
	moved := newPeer(t, "127.0.0.6")
	moved.to, moved.ssrc, moved.seq = c.b.to, c.b.ssrc, 50000
	c.b, c.pb = moved, moved.params(nil, nil)
	c.set(t)
	next("another place, same SSRC", true)
	c.b.seq -= 20000
	c.b.send(8)
	next("counts from somewhere else without saying so", true)
}

func TestPortsRestAndAreReleased(t *testing.T) {
	eachWay(t, Options{Quarantine: 5 * hurried}, testPortsRestAndAreReleased)
}

const hurried = 200 * time.Millisecond // a fifth of the quarantine is enough where all ports rest

func testPortsRestAndAreReleased(t *testing.T, r *Relay) {
	addr := netip.MustParseAddr("127.0.0.5")
	o := PortOptions{Addr: addr, First: 31001, Last: 31005} // two pairs: 31002 and 31004
	s := r.NewSession()
	first, err := s.Open(A, o)
	if err != nil {
		t.Fatal(err)
	}
	if first.RTP.Port()%2 != 0 || first.RTCP.Port() != first.RTP.Port()+1 {
		t.Errorf("%v", first)
	}
	if _, err := s.Open(A, o); err == nil {
		t.Error("opened twice")
	}
	if _, err := s.Open(B, o); err != nil {
		t.Error(err)
	}
	more := r.NewSession()
	if _, err := more.Open(A, o); !errors.Is(err, ErrNoPort) {
		t.Errorf("third pair: %v", err)
	}
	closed := time.Now()
	s.Close()
	if err := s.Set(A, Params{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Set after Close: %v", err)
	}
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(first.RTP))
	if err != nil {
		t.Errorf("the socket is still there: %v", err)
	}
	second, err := more.Open(A, o)
	for ; errors.Is(err, ErrNoPort) && time.Since(closed) < patience; second, err = more.Open(A, o) {
		time.Sleep(10 * ms)
	}
	if rested := time.Since(closed); rested < hurried {
		t.Errorf("a port was used again after %v", rested)
	}
	if err != nil {
		t.Fatalf("after the quarantine: %v", err)
	}
	if second.RTP.Port() == first.RTP.Port() {
		t.Error("took a port that somebody else has bound")
	}
	c.Close()
	more.Close()
	if _, err := r.NewSession().Open(A, PortOptions{Addr: addr, First: 5, Last: 5}); err == nil {
		t.Error("a range without a pair")
	}
}

func TestEvents(t *testing.T) {
	r := running(t, Options{Timeout: 1500 * time.Millisecond})
	c := call(t, r, srtp.AES80)
	events := make(chan Event, 16)
	c.Notify(func(e Event) { events <- e })
	c.pa.LocalKey.Lifetime = 20
	c.set(t)
	expect := func(want ...Event) {
		t.Helper()
		missing := map[Event]bool{}
		for _, e := range want {
			missing[e] = true
		}
		for len(missing) > 0 {
			select {
			case e := <-events:
				if !missing[e] {
					t.Errorf("unexpected %+v", e)
				}
				delete(missing, e)
			case <-time.After(patience):
				t.Fatalf("missing %+v", missing)
			}
		}
	}
	c.talk(t)
	expect(Event{Side: A, Kind: Started}, Event{Side: B, Kind: Started})
	expect(Event{Side: A, Kind: TimedOut}, Event{Side: B, Kind: TimedOut})
	for range 15 {
		c.talk(t)
	}
	expect(Event{Side: A, Kind: KeyUsed}, Event{Side: A, Kind: TimedOut}, Event{Side: B, Kind: TimedOut})
}

func TestStatsCountLoss(t *testing.T) {
	c := call(t, running(t, Options{}), srtp.AES80)
	c.talk(t)
	for range 10 {
		c.a.packet(8) // lost on the way
	}
	c.talk(t)
	if s := c.Stats(A); s.Lost != 10 || s.Received != 2 {
		t.Errorf("%+v", s)
	}
}

func TestARelayThatDoesNotRun(t *testing.T) {
	r := New(Options{})
	s := r.NewSession()
	if _, err := s.Open(A, PortOptions{Addr: netip.MustParseAddr("127.0.0.5")}); err != nil {
		t.Fatal(err)
	}
	s.Stats(A)
	s.Close()
}

func TestSetRefusesWhatCannotWork(t *testing.T) {
	c := call(t, running(t, Options{}), "")
	k := srtptest.Key(srtp.AES80)
	for what, p := range map[string]Params{
		"one key":   {Keys: Keys{LocalKey: &k}},
		"short key": {Keys: Keys{&k, &srtp.Key{Suite: srtp.AES80, Master: srtptest.Random(3)}}},
	} {
		if err := c.Set(A, p); err == nil {
			t.Error(what)
		}
	}
}

// A thread is asked once for the figures of all its sides: each question waits for the thread's turn.
func TestStatsOfManySidesAskEachThreadOnce(t *testing.T) {
	r := New(Options{Threads: 2})
	t.Cleanup(r.end)
	var sides []SessionSide
	for range 1000 {
		s := r.NewSession()
		sides = append(sides, SessionSide{s, A}, SessionSide{s, B})
	}
	asked := map[*thread]int{}
	for _, thread := range r.threads {
		thread.commands.begin() // this test is the thread
	}
	done := make(chan []Stats)
	go func() { done <- StatsOf(sides) }()
	for {
		select {
		case list := <-done:
			if len(list) != 2000 || asked[r.threads[0]] != 1 || asked[r.threads[1]] != 1 {
				t.Errorf("%d figures; the threads were asked %d and %d times", len(list), asked[r.threads[0]], asked[r.threads[1]])
			}
			for _, thread := range r.threads {
				thread.commands.end(func() {})
			}
			return
		default:
			for _, thread := range r.threads {
				if thread.commands.waiting() {
					asked[thread]++
					thread.commands.run()
				}
			}
		}
	}
}

// Who has something to do for a thread that sleeps does it in its place, and wakes it only for a sound, which has its time.
func TestASleepingThreadIsNotWoken(t *testing.T) {
	r := New(Options{})
	t.Cleanup(r.end)
	th := r.threads[0]
	th.commands.begin() // this test is the thread
	woken := func() bool {
		var b [8]byte
		n, _ := unix.Read(th.commands.wakeup, b[:])
		return n == len(b)
	}
	th.commands.held.Unlock() // as while it waits for packets
	done := 0
	th.do(func() { done++ })
	if done != 1 || th.commands.waiting() || woken() {
		t.Errorf("done %d times, waiting %v", done, th.commands.waiting())
	}
	th.do(func() { th.noisy = []*leg{{}} })
	if !woken() {
		t.Error("not woken for a sound")
	}
	th.commands.held.Lock()
	ended := make(chan struct{})
	go func() { th.do(func() { done++ }); close(ended) }()
	for !th.commands.waiting() {
		runtime.Gosched()
	}
	if done != 1 {
		t.Error("done beside a thread that is awake")
	}
	th.commands.run()
	<-ended
	th.noisy = nil
	if th.commands.end(func() {}); done != 2 {
		t.Errorf("done %d times", done)
	}
}

// A thread has a processor of the runtime's for itself while packets come, and gives it back when none have come for a while or it ends.
func TestAThreadHasAProcessorWhileItRelays(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	until := func(want int) {
		t.Helper()
		for runtime.GOMAXPROCS(0) != want {
			if t.Context().Err() != nil {
				t.Fatalf("%d processors, not %d", runtime.GOMAXPROCS(0), want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := New(Options{})
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	c := call(t, r, "")
	c.talk(t)
	until(before + 1)
	th := r.threads[0]
	th.do(func() {
		th.processor.used = th.now - spareAfter
		th.housekeep()
	})
	until(before)
	c.talk(t)
	until(before + 1)
	cancel()
	if err := <-ended; err != nil || runtime.GOMAXPROCS(0) != before {
		t.Errorf("%v, %d processors at the end, %d before", err, runtime.GOMAXPROCS(0), before)
	}
}

// The figures of many calls come at once, of those that have ended too.
func TestStatsOfManySides(t *testing.T) { eachWay(t, Options{Threads: 2}, testStatsOfManySides) }

func testStatsOfManySides(t *testing.T, r *Relay) {
	var sides []SessionSide
	for n := range 5 {
		c := call(t, r, "")
		for range n {
			c.talk(t)
		}
		if n == 4 {
			c.Close()
		}
		sides = append(sides, SessionSide{c.Session, A}, SessionSide{c.Session, B})
	}
	unopened := r.NewSession()
	defer unopened.Close()
	list := StatsOf(append(sides, SessionSide{unopened, A}))
	for i, x := range sides {
		if one := x.Session.Stats(x.Side); list[i].Received != one.Received || int(one.Received) != i/2 {
			t.Errorf("side %d: %d received together, %d alone", i, list[i].Received, one.Received)
		}
	}
	if last := list[len(sides)]; last.Received != 0 {
		t.Errorf("without ports: %+v", last)
	}
	if list := StatsOf(nil); len(list) > 0 {
		t.Errorf("of none: %v", list)
	}
}

// A relay's threads go before all others of the process, and leave their precedence to none.
func TestThreadsHavePrecedence(t *testing.T) {
	favoured := func() (n int) {
		tasks, _ := filepath.Glob("/proc/self/task/*")
		for _, task := range tasks {
			id, _ := strconv.Atoi(filepath.Base(task))
			a, err := unix.SchedGetAttr(id, 0)
			if err == nil && a.Nice == favoured && (a.Runtime == uint64(slice) || a.Runtime == 0) { // before Linux 6.12 there is no slice
				n++
			}
		}
		return n
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := New(Options{Threads: 2})
	ended := make(chan error)
	before := favoured()
	go func() { ended <- r.Run(ctx) }()
	for _, th := range r.threads {
		for begun := false; !begun; time.Sleep(time.Millisecond) {
			th.commands.mu.Lock()
			begun = th.commands.running
			th.commands.mu.Unlock()
		}
	}
	if n := favoured() - before; n != 2 {
		t.Errorf("%d threads have precedence, want 2", n)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := favoured() - before; n != 0 {
		t.Errorf("%d threads of a relay that has ended keep their precedence", n)
	}
}
