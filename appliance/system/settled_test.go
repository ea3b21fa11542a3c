package system

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A paste is applied once, and a script that changes something all the time is not waited for.
func TestChangesAreApplied(t *testing.T) {
	for name, c := range map[string]struct {
		changes int
		every   time.Duration
		applied []time.Duration // after the start
	}{
		"none":                   {0, 0, []time.Duration{0}},
		"one":                    {1, time.Millisecond, []time.Duration{0, settle + time.Millisecond}},
		"a paste":                {100, time.Millisecond, []time.Duration{0, settle + 100*time.Millisecond}},
		"one every now and then": {3, 10 * time.Second, []time.Duration{0, 10*time.Second + settle, 20*time.Second + settle, 30*time.Second + settle}},
		"faster than they settle": {25, 150 * time.Millisecond, []time.Duration{0, 1150 * time.Millisecond, 2200 * time.Millisecond, 3250 * time.Millisecond,
			3950 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				start, changed, applied := time.Now(), make(chan struct{}, 1), make(chan time.Duration, 1000)
				go settled(ctx, changed, nil, func() { applied <- time.Since(start) })
				for range c.changes {
					time.Sleep(c.every)
					changed <- struct{}{}
				}
				time.Sleep(time.Minute)
				cancel()
				synctest.Wait()
				close(applied)
				var got []time.Duration
				for at := range applied {
					got = append(got, at)
				}
				for i, at := range got {
					if i >= len(c.applied) || at != c.applied[i] {
						t.Fatalf("applied at %v, want %v", got, c.applied)
					}
				}
				if len(got) < len(c.applied) {
					t.Errorf("applied at %v, want %v", got, c.applied)
				}
			})
		})
	}
}

// What a start waits for is applied at once: the first configuration, whatever has changed before it, and what TLS or DHCP have waited for.
func TestAStartIsNotHeldUp(t *testing.T) {
	for range 20 { // a choice between two channels goes wrong half the time
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			start, changed, now, applied := time.Now(), make(chan struct{}, 1), make(chan struct{}, 1), make(chan time.Duration, 10)
			changed <- struct{}{}
			go settled(ctx, changed, now, func() { applied <- time.Since(start) })
			synctest.Wait()
			if len(applied) != 1 || <-applied != 0 {
				t.Fatal("the first configuration was not applied at once")
			}
			time.Sleep(time.Minute)
			<-applied // of the token
			changed <- struct{}{}
			synctest.Wait()
			now <- struct{}{}
			synctest.Wait()
			if len(applied) != 1 || <-applied != time.Minute {
				t.Error("what is waited for was not applied at once")
			}
			cancel()
			synctest.Wait()
		})
	}
}
