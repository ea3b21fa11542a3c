package system

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/drain"
	"viaduct/appliance/firmware"
	"viaduct/appliance/health"
	"viaduct/appliance/lang/device"
)

// leaving is a System of nothing but reloads, with so many calls.
func leaving(t *testing.T, calls *atomic.Int32) *System {
	t.Helper()
	s := &System{log: slog.New(slog.DiscardHandler), reloads: reloads{reload: make(chan struct{}, 1)}, updates: updates{firmware: firmware.New(firmware.Options{})}}
	s.health.Log, s.sessions.Log = s.log, s.log
	s.drains = drain.New(drain.Options{Log: s.log, Health: &s.health, Config: config.New, Count: func() int { return int(calls.Load()) }})
	return s
}

// A graceful reload takes the box out of service, and comes after the last call or at the limit, whichever is first.
func TestAGracefulReload(t *testing.T) {
	for why, x := range map[string]struct {
		calls int32
		end   time.Duration // of the last call; 0: none
		after time.Duration
	}{
		"without calls":       {0, 0, reloadAnswer},
		"after the last call": {3, 10 * time.Minute, 10 * time.Minute},
		"at the limit":        {3, 0, 30 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			calls.Store(x.calls)
			began := time.Now()
			s := leaving(t, &calls)
			if _, err := s.Reload(device.Reload{Graceful: true, Limit: 30 * time.Minute, By: "anna"}); err != nil {
				t.Fatal(err)
			}
			if x.end > 0 {
				time.AfterFunc(x.end, func() { calls.Store(0) })
			}
			if x.calls > 0 {
				time.Sleep(time.Minute)
				synctest.Wait()
				if c := s.Coming(); c == nil || c.In(time.Now()) != "after the last call; `no reload` cancels it" || !s.health.Active(health.OutOfService) {
					t.Errorf("%s: %+v, alarms %v", why, c, s.health.Current())
				}
				if _, err := s.EndDrain(device.Drain{}); err == nil || !strings.Contains(err.Error(), "no reload") {
					t.Errorf("%s: taken back without the reload: %v", why, err)
				}
			}
			<-s.reload
			if took := time.Since(began); took < x.after || took > x.after+2*time.Second {
				t.Errorf("%s: after %v", why, took)
			}
		})
	}
}

// A box that is out of service longer than its limit has a call to an emergency number. A reload gives it its own time.
func TestAGracefulReloadAfterTheLimitOfADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		calls.Store(1)
		s := leaving(t, &calls)
		if err := s.Drain(device.Drain{Limit: time.Minute, By: "anna"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		began := time.Now()
		if _, err := s.Reload(device.Reload{Graceful: true, Limit: 30 * time.Minute, By: "anna"}); err != nil {
			t.Fatal(err)
		}
		<-s.reload
		if took := time.Since(began); took < 30*time.Minute {
			t.Errorf("the call was cut off after %v", took)
		}
	})
}

// Whoever cancels the reload has the box in service again.
func TestACancelledReloadTakesCallsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		calls.Store(1)
		s := leaving(t, &calls)
		if _, err := s.Reload(device.Reload{Graceful: true, Limit: time.Hour, By: "anna"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if _, err := s.Reload(device.Reload{Cancel: true, By: "bert"}); err != nil {
			t.Fatal(err)
		}
		if s.health.Active(health.OutOfService) || len(s.drains.Status()) > 0 || s.Coming() != nil {
			t.Errorf("%v, %+v", s.health.Current(), s.drains.Status())
		}
		calls.Store(0)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if len(s.reload) > 0 {
			t.Error("it reloads")
		}
	})
}
