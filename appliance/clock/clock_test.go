package clock

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
)

// fakeKernel is behind the true time (that of the test) by shift.
type fakeKernel struct {
	mu     sync.Mutex
	shift  time.Duration
	refuse bool
	steps  []time.Duration
	slews  []time.Duration
}

func (k *fakeKernel) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Add(-k.shift)
}

func (k *fakeKernel) Step(d time.Duration) error { return k.move(d, &k.steps) }

// Slew takes effect at once: by the next query it would have.
func (k *fakeKernel) Slew(d, _ time.Duration) error { return k.move(d, &k.slews) }

func (k *fakeKernel) move(d time.Duration, list *[]time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse {
		return &fs.PathError{Op: "adjtimex", Err: fs.ErrPermission}
	}
	k.shift -= d
	*list = append(*list, d)
	return nil
}

func (k *fakeKernel) drift(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shift += d
}

// seen is a copy of what was done to the clock.
func (k *fakeKernel) seen() (shift time.Duration, steps, slews []time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shift, slices.Clone(k.steps), slices.Clone(k.slews)
}

// fakeServers answers by address.
type fakeServers struct {
	kernel *fakeKernel
	mu     sync.Mutex
	lies   map[string]time.Duration // what the server adds to the true time
	errs   map[string]error
	asked  map[string]int
}

func (f *fakeServers) query(_ context.Context, server netip.AddrPort, _ int) (Sample, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := server.Addr().String()
	f.asked[a]++
	if err := f.errs[a]; err != nil {
		return Sample{}, err
	}
	return Sample{Offset: time.Now().Add(f.lies[a]).Sub(f.kernel.Now()), Distance: 10 * time.Millisecond, Stratum: 2}, nil
}

func (f *fakeServers) count(server string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[server]
}

// all makes every server lie and fail in the same way.
func (f *fakeServers) all(lie time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.9"} {
		f.lies[a], f.errs[a] = lie, err
	}
}

// setup returns a clock that is behind by shift, with a primary of three addresses by name and a secondary by address.
func setup(shift time.Duration) (*Clock, *fakeKernel, *fakeServers, *[]time.Time) {
	k := &fakeKernel{shift: shift}
	f := &fakeServers{kernel: k, lies: map[string]time.Duration{}, errs: map[string]error{}, asked: map[string]int{}}
	var saved []time.Time
	c := New(Options{
		Log: slog.New(slog.DiscardHandler), Kernel: k, Query: f.query, Build: time.Now().Add(-24 * time.Hour),
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host != "ntp.example.org" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")}, nil
		},
		Save: func(t time.Time) error { saved = append(saved, t); return nil },
	})
	c.Apply(sntp("ntp.example.org", "192.0.2.9"))
	return c, k, f, &saved
}

func sntp(hosts ...string) *config.Config {
	cfg := config.New()
	cfg.SNTP.Enabled = true
	roles := []string{"primary", "secondary"}
	for i, h := range hosts {
		cfg.SNTP.Servers = append(cfg.SNTP.Servers, &config.SNTPServer{Role: roles[i], Host: h, Port: 123, Version: 4})
	}
	return cfg
}

// run runs f with the clock running, in virtual time.
func run(t *testing.T, shift time.Duration, f func(*testing.T, *Clock, *fakeKernel, *fakeServers, *[]time.Time)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c, k, s, saved := setup(shift)
		start(t, c)
		synctest.Wait()
		f(t, c, k, s, saved)
	})
}

// start runs the clock until the end of the test.
func start(t *testing.T, c *Clock) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var done sync.WaitGroup
	done.Go(func() { c.Run(ctx) })
	stop = func() { cancel(); done.Wait() }
	t.Cleanup(stop)
	return stop
}

func TestAClockFarOffIsSteppedOnceAndSlewedLater(t *testing.T) {
	run(t, 3*time.Hour, func(t *testing.T, c *Clock, k *fakeKernel, _ *fakeServers, saved *[]time.Time) {
		if shift, steps, _ := k.seen(); !c.Synced() || !slices.Equal(steps, []time.Duration{3 * time.Hour}) || shift != 0 {
			t.Fatalf("synced %v, steps %v, still off %v", c.Synced(), steps, shift)
		}
		if st := c.Status(); st.Offset != 3*time.Hour || len(st.Servers) != 4 || !st.Servers[0].Used || st.Error != "" || !st.Adjustable {
			t.Errorf("state %+v", st)
		}
		k.drift(2 * time.Second)
		time.Sleep(2 * time.Minute)
		if _, steps, slews := k.seen(); len(steps) != 1 || !slices.Contains(slews, 2*time.Second) {
			t.Errorf("steps %v, slews %v", steps, slews)
		}
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if st := c.Status(); st.Interval != maxInterval || st.Error != "" {
			t.Errorf("later: %+v", st)
		}
		if n := len(*saved); n != 1+4 {
			t.Errorf("saved %d times: at the start, and in four hours", n)
		}
	})
}

func TestALaterJumpIsToldAndSteppedByCommandOnly(t *testing.T) {
	run(t, 0, func(t *testing.T, c *Clock, k *fakeKernel, f *fakeServers, _ *[]time.Time) {
		f.all(time.Hour, nil)
		time.Sleep(3 * time.Minute)
		if _, steps, slews := k.seen(); len(steps) > 0 || !slices.Contains(slews, time.Hour) {
			t.Fatalf("steps %v, slews %v", steps, slews)
		}
		f.all(0, nil)
		k.mu.Lock()
		k.shift, k.slews = -time.Hour, nil
		k.mu.Unlock()
		err := c.Sync(t.Context())
		if _, steps, _ := k.seen(); err != nil || !slices.Equal(steps, []time.Duration{-time.Hour}) {
			t.Errorf("Sync: %v, steps %v", err, steps)
		}
	})
}

func TestNoServerAnswersThenOneDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k, f, _ := setup(time.Minute)
		f.all(0, errors.New("i/o timeout"))
		start(t, c)
		time.Sleep(20 * time.Minute)
		st := c.Status()
		if c.Synced() || st.Error != "no time server answers" || st.Interval != minInterval || st.Servers[0].Error != "i/o timeout" {
			t.Errorf("state %+v", st)
		}
		f.all(0, nil)
		time.Sleep(time.Minute + 5*time.Second)
		<-c.FirstSync()
		if shift, _, _ := k.seen(); shift != 0 {
			t.Errorf("after the servers came back it is off by %v", shift)
		}
	})
}

func TestTheNetworkComesUpLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, f, _ := setup(time.Minute)
		f.all(0, errors.New("network is unreachable"))
		start(t, c)
		time.Sleep(time.Hour)
		f.all(0, nil)
		c.Retry()
		synctest.Wait()
		if !c.Synced() {
			t.Errorf("it waits for the next query: %+v", c.Status())
		}
		asked := f.count("192.0.2.9")
		c.Retry() // the time is known: a link that comes and goes asks nobody
		synctest.Wait()
		if n := f.count("192.0.2.9"); n != asked {
			t.Errorf("asked %d times more", n-asked)
		}
	})
}

// A query that waits for an answer through a network that was not there does not hold up the next.
func TestARoundIsAbandonedWhenTheNetworkComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, f, _ := setup(0)
		hang := true // of this bubble's goroutines, one after the other
		c.o.Query = func(ctx context.Context, server netip.AddrPort, version int) (Sample, error) {
			if hang {
				<-ctx.Done()
				return Sample{}, ctx.Err()
			}
			return f.query(ctx, server, version)
		}
		start(t, c)
		synctest.Wait()
		hang = false
		began := time.Now()
		c.Retry()
		if <-c.FirstSync(); time.Since(began) > 0 {
			t.Errorf("after %v", time.Since(began))
		}
	})
}

func TestServersThatRefuseAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, f, _ := setup(0)
		f.errs["192.0.2.1"] = KissOfDeath("RATE")
		f.errs["192.0.2.2"] = KissOfDeath("DENY")
		start(t, c)
		time.Sleep(23 * time.Hour)
		if f.count("192.0.2.2") != 1 || f.count("192.0.2.1") > 24*2 || f.count("192.0.2.3") < 70 {
			t.Errorf("asked %d %d %d times", f.count("192.0.2.1"), f.count("192.0.2.2"), f.count("192.0.2.3"))
		}
		if st := c.Status(); !c.Synced() || st.Servers[1].Error != "the server refuses to serve (DENY)" {
			t.Errorf("state %+v", st)
		}
	})
}

func TestWithoutPermissionTheClockIsObserved(t *testing.T) {
	for name, c := range map[string]struct {
		shift   time.Duration
		synced  bool
		problem string
	}{
		"well kept by the host": {20 * time.Millisecond, true, ""},
		"badly kept":            {time.Hour, false, "the clock is 1h0m0s off and cannot be adjusted from here"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock, k, _, saved := setup(c.shift)
				k.refuse = true
				stop := start(t, clock)
				synctest.Wait()
				st := clock.Status()
				stop()
				if st.Adjustable || st.Synced != c.synced || !strings.HasPrefix(st.Error, c.problem) || (st.Error == "") != (c.problem == "") {
					t.Errorf("state %+v", st)
				}
				// A time that is known to be wrong is not kept.
				if len(*saved) > 0 != c.synced {
					t.Errorf("saved %v", *saved)
				}
			})
		})
	}
}

func TestServersThatDisagree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, k, f, _ := setup(0)
		c.Apply(sntp("192.0.2.1", "192.0.2.9"))
		f.lies["192.0.2.9"] = time.Hour
		if err := c.round(t.Context(), false); err != nil || k.shift != 0 {
			t.Errorf("%v, off %v", err, k.shift)
		}
		if got := c.Status().Error; got != "the time servers disagree: 192.0.2.1 is believed alone" {
			t.Errorf("problem %q", got)
		}
		f.lies["192.0.2.1"] = -48 * time.Hour
		if err := c.round(t.Context(), true); err == nil || !strings.Contains(err.Error(), "before this firmware was built: not believed") || k.shift != 0 {
			t.Errorf("a time before the build: %v, off %v", err, k.shift)
		}
	})
}

func TestFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		build := time.Now()
		for name, c := range map[string]struct {
			now, saved, want time.Time
			err              error
		}{
			"1970, nothing saved":         {time.Unix(0, 0), time.Time{}, build, nil},
			"1970, saved time is later":   {time.Unix(0, 0), build.Add(time.Hour), build.Add(time.Hour), nil},
			"saved time before the build": {build.Add(-time.Hour), build.Add(-2 * time.Hour), build, nil},
			"a battery kept the time":     {build.Add(9 * time.Hour), build.Add(time.Hour), build.Add(9 * time.Hour), nil},
			"saved time is damaged":       {time.Unix(0, 0), time.Time{}, build, errors.New("damaged")},
		} {
			k := &fakeKernel{shift: time.Since(c.now)}
			clock := New(Options{Log: slog.New(slog.DiscardHandler), Kernel: k, Build: build, Load: func() (time.Time, error) { return c.saved, c.err }})
			if err := clock.Floor(); !errors.Is(err, c.err) || !k.Now().Equal(c.want) {
				t.Errorf("%s: %v, %v; want %v", name, k.Now(), err, c.want)
			}
		}
	})
}

func TestApplyOfTheSameServersAsksNobody(t *testing.T) {
	run(t, 0, func(t *testing.T, c *Clock, _ *fakeKernel, f *fakeServers, _ *[]time.Time) {
		before := f.count("192.0.2.9")
		c.Apply(sntp("ntp.example.org", "192.0.2.9"))
		synctest.Wait()
		if f.count("192.0.2.9") != before {
			t.Error("asked again")
		}
		cfg := sntp("192.0.2.9")
		c.Apply(cfg)
		synctest.Wait()
		if f.count("192.0.2.9") != before+1 || len(c.Status().Servers) != 1 {
			t.Errorf("asked %d times, state %+v", f.count("192.0.2.9")-before, c.Status())
		}
		cfg = sntp("nowhere.example.org")
		c.Apply(cfg)
		synctest.Wait()
		if st := c.Status(); st.Servers[0].Error != "no such host" {
			t.Errorf("state %+v", st)
		}
		c.Apply(config.New())
		synctest.Wait()
		if st := c.Status(); st.Enabled || st.Error != "" {
			t.Errorf("switched off: %+v", st)
		}
	})
}

func TestMeasuringChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKernel{shift: time.Hour}
		c := New(Options{Log: slog.New(slog.DiscardHandler), Kernel: k,
			Lookup: func(context.Context, string) ([]netip.Addr, error) {
				return nil, errors.New("look up ntp.example: no such name")
			},
			Query: func(_ context.Context, server netip.AddrPort, _ int) (Sample, error) {
				if server.Addr() == netip.MustParseAddr("192.0.2.2") {
					return Sample{}, KissOfDeath("DENY")
				}
				return Sample{Offset: time.Hour, Stratum: 2}, nil
			}})
		if got := c.Measure(t.Context()); len(got) != 0 {
			t.Errorf("before a configuration: %+v", got)
		}
		cfg := config.New()
		cfg.SNTP = config.SNTP{Enabled: true, Servers: []*config.SNTPServer{
			{Role: "primary", Host: "192.0.2.1", Port: 123}, {Role: "secondary", Host: "192.0.2.2", Port: 123}, {Role: "tertiary", Host: "ntp.example", Port: 123}}}
		c.Apply(cfg)
		before := c.Status()
		got := c.Measure(t.Context())
		if len(got) != 3 || got[0].Offset != time.Hour || got[0].Error != "" || !strings.Contains(got[1].Error, "DENY") || !strings.Contains(got[2].Error, "no such name") {
			t.Errorf("got %+v", got)
		}
		if _, steps, slews := k.seen(); len(steps)+len(slews) > 0 || len(c.Status().Servers) != len(before.Servers) || c.Synced() {
			t.Errorf("the clock or its state has changed: %v, %v, %+v", steps, slews, c.Status())
		}
	})
}
