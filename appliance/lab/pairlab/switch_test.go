package pairlab

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"viaduct/appliance/lab"
)

// New calls come twenty in a second while the active box is asked to hand over. Those in set-up are waited for, those that come meanwhile wait, and none
// fails. A machine that does not carry twenty in a second has the box refuse some for overload, as it has to: those are made again, and the boxes must have
// counted each of them, so that no 503 of another cause passes for one.
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
	var again atomic.Uint64 // calls that a box refused, and that were made once more
	for n := range total {
		<-tick.C
		talking.Go(func() {
			patient, cancel := context.WithTimeout(p.ctx, 20*time.Second) // no caller waits longer for an answer that comes at once
			defer cancel()
			// Each to another number: on a slow machine so many wait for an answer that they would be taken for a loop.
			dial := lab.Dial{Hub: n % 3, To: fmt.Sprintf("+49301234%03d", n)}
			c, err := p.Teams.Call(patient, dial)
			for err == nil {
				if err = c.WaitUp(patient); err == nil || !shed(c) {
					break
				}
				again.Add(1)
				time.Sleep(time.Second)
				c, err = p.Teams.Call(patient, dial)
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
	if shed := before.shed(p) + other.shed(p); shed != again.Load() {
		t.Errorf("%d calls were refused with 503, the boxes count %d as more than they can carry", again.Load(), shed)
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

// shed reports whether a box refused a call as one that it does not carry.
func shed(c *lab.Call) bool {
	select {
	case <-c.Over():
		return c.End().ByBox && c.End().Code == 503 && c.End().Reason == "Service Unavailable"
	default:
		return false
	}
}

// shed is how many calls a box has refused because it could not carry them.
func (b *box) shed(p *pair) (n uint64) {
	p.t.Helper()
	text, err := b.Metrics(p.ctx)
	p.must(err)
	m := shedTotal.FindStringSubmatch(text)
	if m == nil {
		p.t.Fatalf("box %d does not say how many calls it has refused:\n%s", b.number, text)
	}
	n, err = strconv.ParseUint(m[1], 10, 64)
	p.must(err)
	return n
}

var shedTotal = regexp.MustCompile(`(?m)^viaduct_calls_shed_total (\d+)$`)
