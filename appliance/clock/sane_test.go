package clock

import (
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
)

func TestWhenCertificatesCanBeJudged(t *testing.T) {
	lost := errors.New("no route to host")
	for name, c := range map[string]struct {
		servers bool // are configured
		answer  bool
		saved   bool          // the clock was synchronised before the power went
		after   time.Duration // of the start
		sane    bool
	}{
		"at the first boot, before any answer":      {servers: true, after: time.Hour},
		"once a server has answered":                {servers: true, answer: true, after: time.Second, sane: true},
		"after a power cut, at once":                {servers: true, saved: true, after: time.Second},
		"after a power cut, when no server answers": {servers: true, saved: true, after: 3 * time.Minute, sane: true},
		"without servers nobody will know better":   {after: time.Second, sane: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock, _, servers, _ := setup(0)
				if !c.answer {
					servers.all(0, lost)
				}
				if !c.servers {
					clock.Apply(config.New())
				}
				if c.saved {
					clock.o.Load = func() (time.Time, error) { return time.Now().Add(-time.Hour), nil }
				}
				if err := clock.Floor(); err != nil {
					t.Fatal(err)
				}
				start(t, clock)
				time.Sleep(c.after)
				synctest.Wait()
				if err := clock.Sane(); (err == nil) != c.sane {
					t.Errorf("%v", err)
				}
			})
		})
	}
	observer := New(Options{Log: slog.New(slog.DiscardHandler), Kernel: Observer{}})
	observer.Apply(sntp("ntp.example.org"))
	if err := observer.Sane(); err != nil {
		t.Errorf("a clock that others keep: %v", err)
	}
}

// figure is a number that several goroutines use.
type figure struct {
	mu sync.Mutex
	v  float64
}

func (f *figure) get() (float64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.v, nil
}

func (f *figure) set(v float64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.v = v
	return nil
}

// tunable is a kernel that learns.
type tunable struct {
	*fakeKernel
	ppm figure
}

func (k *tunable) Frequency() (float64, error)  { return k.ppm.get() }
func (k *tunable) SetFrequency(f float64) error { return k.ppm.set(f) }

func TestDriftIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flash figure // parts per million
		has := func(what string, f *figure, want float64) {
			t.Helper()
			if got, _ := f.get(); got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		open := func(k *tunable) *Clock {
			c, fake, _, _ := setup(0)
			k.fakeKernel, c.o.Kernel = fake, k
			c.o.LoadDrift, c.o.SaveDrift = flash.get, flash.set
			if err := c.Floor(); err != nil {
				t.Fatal(err)
			}
			return c
		}
		flash.set(-7.5)
		fresh := &tunable{}
		c := open(fresh)
		has("the kernel after a power cut", &fresh.ppm, -7.5)
		stop := start(t, c)
		fresh.ppm.set(-8.25) // learned
		time.Sleep(61 * time.Minute)
		synctest.Wait()
		has("saved after an hour", &flash, -8.25)
		if got := c.Status().Drift; got != -8.25 {
			t.Errorf("state: %v", got)
		}
		fresh.ppm.set(-8.5)
		stop()
		has("saved at the shutdown", &flash, -8.5)
		running := &tunable{}
		running.ppm.set(-9)
		open(running)
		has("a kernel that has learned since", &running.ppm, -9)
	})
}
