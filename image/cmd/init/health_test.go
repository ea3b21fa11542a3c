package main

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// services that answer from `up` until `down` after the start.
func service(name string, up, down time.Duration) check {
	start := time.Now()
	return check{name, func(ctx context.Context) error {
		if t := time.Since(start); t < up || t >= down {
			return errors.New("no answer")
		}
		return nil
	}}
}

func TestWatchdogStarvesOnlyForAServiceThatStoppedAnswering(t *testing.T) {
	const ever = 1000 * time.Hour
	for name, c := range map[string]struct {
		sbcd, consoled [2]time.Duration
		restarted      bool
	}{
		"all well":               {[2]time.Duration{0, ever}, [2]time.Duration{0, ever}, false},
		"slow to start":          {[2]time.Duration{10 * time.Minute, ever}, [2]time.Duration{0, ever}, false},
		"never came up":          {[2]time.Duration{ever, ever}, [2]time.Duration{0, ever}, false},
		"sbcd hangs":             {[2]time.Duration{0, time.Minute}, [2]time.Duration{0, ever}, true},
		"consoled hangs":         {[2]time.Duration{0, ever}, [2]time.Duration{time.Minute, 5 * time.Minute}, true},
		"both hang: one restart": {[2]time.Duration{0, time.Minute}, [2]time.Duration{0, time.Minute}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				var fed atomic.Int64
				restarts := 0
				watcher{
					checks: []check{service("sbcd", c.sbcd[0], c.sbcd[1]), service("consoled", c.consoled[0], c.consoled[1])},
					feed:   func() { fed.Store(time.Now().UnixNano()) }, restart: func() { restarts++ },
				}.watch(ctx)
				hungry := time.Since(time.Unix(0, fed.Load()))
				if c.restarted != (restarts == 1) || restarts > 1 {
					t.Errorf("%d restarts", restarts)
				}
				if c.restarted != (hungry > 10*time.Minute) {
					t.Errorf("fed %v before the end", hungry)
				}
			})
		})
	}
}

// sick is a service that answers, and says that it cannot work until `well` after the start.
func sick(name string, well time.Duration) check {
	start := time.Now()
	return check{name, func(context.Context) error {
		if time.Since(start) < well {
			return unfit{"the engine \"media\" does not run"}
		}
		return nil
	}}
}

func TestABoxThatCannotWork(t *testing.T) {
	const ever = 1000 * time.Hour
	for name, c := range map[string]struct {
		well      time.Duration
		trial     bool
		confirmed bool
		restarts  int
	}{
		"an image on trial is not confirmed":        {ever, true, false, 1},
		"an image on trial that needs a moment":     {10 * time.Second, true, true, 0},
		"one that is confirmed is left to its work": {ever, false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
				defer cancel()
				restarts, confirmed := 0, false
				w := watcher{checks: []check{sick("sbcd", c.well)}, feed: func() {}, restart: func() { restarts++ }, limit: 2 * time.Minute}
				if c.trial {
					w.confirm = func() error { confirmed = true; return nil }
				}
				w.watch(ctx)
				if confirmed != c.confirmed || restarts != c.restarts {
					t.Errorf("confirmed: %v, restarts: %d", confirmed, restarts)
				}
			})
		})
	}
}

func TestTrial(t *testing.T) {
	const ever = 1000 * time.Hour
	for name, c := range map[string]struct {
		sbcd      [2]time.Duration
		refusals  int // answers of confirm that are errors
		confirmed bool
	}{
		"healthy at once":         {[2]time.Duration{0, ever}, 0, true},
		"healthy in time":         {[2]time.Duration{time.Minute, ever}, 0, true},
		"a port that comes late":  {[2]time.Duration{0, ever}, 3, true},
		"a port that never comes": {[2]time.Duration{0, ever}, 1000, false},
		"never healthy":           {[2]time.Duration{ever, ever}, 0, false},
		"healthy when it is over": {[2]time.Duration{3 * time.Minute, ever}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
				defer cancel()
				restarts, asked, confirmed := 0, 0, false
				watcher{
					checks: []check{service("sbcd", c.sbcd[0], c.sbcd[1]), service("consoled", 0, ever)},
					feed:   func() {}, restart: func() { restarts++ },
					limit: 2 * time.Minute,
					confirm: func() error {
						if asked++; asked <= c.refusals {
							return errors.New("no port")
						}
						if confirmed {
							t.Error("confirmed twice")
						}
						confirmed = true
						return nil
					},
				}.watch(ctx)
				if confirmed != c.confirmed || confirmed == (restarts > 0) || restarts > 1 {
					t.Errorf("confirmed: %v, restarts: %d", confirmed, restarts)
				}
			})
		})
	}
}
