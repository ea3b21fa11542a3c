package pairlab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/lab"
)

// New calls come twenty in a second while the active box is asked to hand over. Those in set-up are waited for, those that come meanwhile wait, and none
// fails.
func TestASwitchUnderNewCalls(t *testing.T) {
	const (
		every = 50 * time.Millisecond
		total = 120
	)
	p := newPair(t)
	before, other := p.active()
	var calling sync.WaitGroup
	failed := make([]error, total)
	ctx, cancel := context.WithCancel(p.ctx)
	calling.Go(func() { // the PBX takes them all
		for {
			if _, err := p.Starface.NextCall(ctx); err != nil {
				return
			}
		}
	})
	var talking sync.WaitGroup
	tick := time.NewTicker(every)
	defer tick.Stop()
	switched := make(chan string, 1)
	for n := range total {
		<-tick.C
		talking.Go(func() {
			patient, cancel := context.WithTimeout(p.ctx, 20*time.Second) // no caller waits longer for an answer that comes at once
			defer cancel()
			// Each to another number: on a slow machine so many wait for an answer that they would be taken for a loop.
			c, err := p.Teams.Call(patient, lab.Dial{Hub: n % 3, To: fmt.Sprintf("+49301234%03d", n)})
			if err == nil {
				err = c.WaitUp(patient)
			}
			if err == nil {
				time.Sleep(time.Second)
				err = c.Hangup(p.ctx)
			}
			if err != nil {
				failed[n] = fmt.Errorf("call %d: %w", n, err)
			}
		})
		if n == total/3 {
			talking.Go(func() {
				text, err := before.Exec(p.ctx, "redundancy switch force")
				if err != nil {
					text = err.Error()
				}
				switched <- text
			})
		}
	}
	talking.Wait()
	cancel()
	calling.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Errorf("%d of %d calls failed:\n%v", strings.Count(err.Error(), "\n")+1, total, err)
	}
	if text := <-switched; !strings.Contains(text, "is active now") {
		t.Error(text)
	}
	if now, _ := p.active(); now != other {
		t.Errorf("box %d is active", now.number)
	}
	for _, pool := range []string{"sip-sessions", "srtp-channels"} {
		if err := other.WaitAlloc(p.ctx, pool, 0); err != nil {
			t.Error(err)
		}
	}
}
