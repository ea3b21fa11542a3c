package clock

import (
	"encoding/binary"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/appliance/config"
)

// place is one time server on loopback, asked by real NTP.
type place struct {
	ahead atomic.Int64 // of the true time, in nanoseconds
	edit  func(answer []byte) []byte
	asked atomic.Int32
}

// lying adds a whole number of seconds to every time in an answer.
func lying(a []byte, d time.Duration) []byte {
	for _, at := range []int{16, 32, 40} {
		binary.BigEndian.PutUint64(a[at:], binary.BigEndian.Uint64(a[at:])+uint64(int64(d/time.Second))<<32)
	}
	return a
}

func kiss(code string) func([]byte) []byte {
	return func(a []byte) []byte {
		a[0] |= 0xc0 // not synchronised, as ntpd says with it
		a[1] = 0
		copy(a[12:16], code)
		return a
	}
}

// served is a clock that asks these servers, and the kernel that it sets. Rounds are begun by the test.
func served(t *testing.T, places ...*place) (*Clock, *fakeKernel) {
	t.Helper()
	cfg := config.New()
	cfg.SNTP.Enabled = true
	for i, p := range places {
		at := responder(t, func(a []byte) []byte {
			p.asked.Add(1)
			a = lying(a, time.Duration(p.ahead.Load()))
			if p.edit != nil {
				a = p.edit(a)
			}
			return a
		})
		cfg.SNTP.Servers = append(cfg.SNTP.Servers, &config.SNTPServer{Role: config.SNTPRoles[i], Host: at.Addr().String(), Port: at.Port(), Version: 4})
	}
	k := &fakeKernel{}
	c := New(Options{Log: slog.New(slog.DiscardHandler), Kernel: k})
	c.Apply(cfg)
	return c, k
}

// near reports whether the moves are these, but for half of what a query takes on a busy machine.
func near(got []time.Duration, want ...time.Duration) bool {
	return slices.EqualFunc(got, want, func(a, b time.Duration) bool { return (a - b).Abs() < small })
}

func TestAServerThatLiesIsOutvoted(t *testing.T) {
	for name, x := range map[string]struct {
		ahead []time.Duration // what each server adds to the true time
		want  time.Duration
		used  []bool
	}{
		"one liar of three, the primary":  {[]time.Duration{-90 * 24 * time.Hour, 0, 0}, 0, []bool{false, true, true}},
		"one liar of four":                {[]time.Duration{0, 0, 30 * 365 * 24 * time.Hour, 0}, 0, []bool{true, true, false, true}},
		"all say that our clock is wrong": {[]time.Duration{3 * time.Hour, 3 * time.Hour, 3 * time.Hour}, 3 * time.Hour, []bool{true, true, true}},
		"two that lie differently":        {[]time.Duration{10 * time.Minute, -10 * time.Minute, 0, 0}, 10 * time.Minute, []bool{true, false, false, false}}, // no majority: the primary alone
	} {
		t.Run(name, func(t *testing.T) {
			var places []*place
			for _, d := range x.ahead {
				p := &place{}
				p.ahead.Store(int64(d))
				places = append(places, p)
			}
			c, k := served(t, places...)
			if err := c.round(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			_, steps, slews := k.seen()
			if x.want == 0 && (len(steps) > 0 || !near(slews, 0)) || x.want != 0 && (!near(steps, x.want) || len(slews) > 0) {
				t.Errorf("steps %v, slews %v", steps, slews)
			}
			for i, s := range c.Status().Servers {
				if s.Used != x.used[i] || s.Stratum != 2 {
					t.Errorf("server %d: %+v", i, s)
				}
			}
			// The clock has its time: whatever the servers say now, it is not stepped unless that is ordered.
			for _, p := range places {
				p.ahead.Add(int64(10 * time.Second))
			}
			if err := c.round(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			_, steps, slews = k.seen()
			if before := min(1, int(x.want.Abs())); len(steps) != before || !near(slews[len(slews)-1:], x.want+10*time.Second) {
				t.Errorf("later: steps %v, slews %v", steps, slews)
			}
			if err := c.round(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if _, steps, _ = k.seen(); !near(steps[len(steps)-1:], x.want+10*time.Second) {
				t.Errorf("clock sync: steps %v", steps)
			}
		})
	}
}

func TestServersThatCannotServe(t *testing.T) {
	for name, x := range map[string]struct {
		edit  func([]byte) []byte
		err   string
		again bool // it is asked in the next round too
	}{
		"kiss of death RATE": {kiss("RATE"), "the server refuses to serve (RATE)", false},
		"kiss of death DENY": {kiss("DENY"), "the server refuses to serve (DENY)", false},
		"kiss of death RSTR": {kiss("RSTR"), "the server refuses to serve (RSTR)", false},
		// It came up together with the box: both have lost their power.
		"just started": {kiss("INIT"), `answer: the server has no time now ("INIT")`, true},
		"just stepped": {kiss("STEP"), `answer: the server has no time now ("STEP")`, true},
		// Whoever does not see our question cannot keep us from asking.
		"a forged kiss of death":   {func(a []byte) []byte { a[30] ^= 1; return kiss("DENY")(a) }, "query: ", true},
		"far from its reference":   {func(a []byte) []byte { binary.BigEndian.PutUint32(a[8:], 2<<16); return a }, "answer: the server is ", true},
		"slow, by its own account": {func(a []byte) []byte { binary.BigEndian.PutUint32(a[4:], 4<<16); return a }, "answer: the server is ", true},
		"not synchronised":         {func(a []byte) []byte { a[0] |= 0xc0; return a }, "answer: ", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := &place{edit: x.edit}
			bad.ahead.Store(int64(time.Hour))
			c, k := served(t, bad, &place{}, &place{})
			for range 2 {
				if err := c.round(t.Context(), false); err != nil {
					t.Fatal(err)
				}
			}
			if got := c.Status().Servers[0]; !strings.HasPrefix(got.Error, x.err) || got.Used || !got.Last.IsZero() {
				t.Errorf("%+v", got)
			}
			if shift, steps, _ := k.seen(); len(steps) > 0 || shift.Abs() > small {
				t.Errorf("steps %v, off %v", steps, shift)
			}
			if n := bad.asked.Load(); (n > 1) != x.again {
				t.Errorf("asked %d times in two rounds", n)
			}
		})
	}
}

func TestTheOnlyServerHasJustStarted(t *testing.T) {
	var ready atomic.Bool
	p := &place{edit: func(a []byte) []byte {
		if ready.Load() {
			return a
		}
		return kiss("INIT")(a)
	}}
	p.ahead.Store(int64(time.Hour))
	c, k := served(t, p)
	if err := c.round(t.Context(), false); err == nil || c.Synced() {
		t.Errorf("%v, synced %v", err, c.Synced())
	}
	ready.Store(true)
	if err := c.round(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, steps, _ := k.seen(); !near(steps, time.Hour) || !c.Synced() {
		t.Errorf("steps %v, synced %v", steps, c.Synced())
	}
}
