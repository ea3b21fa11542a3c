package starface

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Run does what is wished until ctx ends. What is set then stays so, and is remembered. Another Keeper of the same service must have ended.
func (k *Keeper) Run(ctx context.Context) {
	k.recall()
	for ctx.Err() == nil {
		wait := time.NewTimer(k.round(ctx))
		select {
		case <-ctx.Done():
		case <-k.changed:
		case <-wait.C:
		}
		wait.Stop()
	}
}

// idle is the longest time between two rounds.
const idle = time.Hour

// round does what is due, and returns after how long something will be.
func (k *Keeper) round(ctx context.Context) time.Duration {
	if err := k.o.Book.flush(); err != nil {
		k.o.Log.Debug("starface memory", "err", err) // every failure of the flash has its alarm
	}
	now := time.Now()
	work, next := k.work(now)
	if len(work) > 0 {
		if now.Before(k.resumption) {
			next = k.resumption
		} else {
			k.perform(ctx, work)
			now = time.Now()
			_, next = k.work(now)
			next = later(next, k.resumption)
		}
	}
	k.tell()
	if next.IsZero() {
		return idle
	}
	return min(idle, max(0, next.Sub(now)))
}

// job is something to do for somebody.
type job struct {
	name string
	todo todo
	at   found  // for set
	own  *Entry // what is ours
	lost bool   // taking it back was refused: the user may be gone
}

// work lists what is due, and says when the next thing will be; zero: nothing will.
func (k *Keeper) work(now time.Time) (work []job, next time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, p := range k.people {
		what, at := p.due(now)
		if what != nothing && !at.After(now) {
			work = append(work, job{name: name, todo: what, own: p.entry, lost: what == release && p.state == Refused})
			if p.state == Idle {
				p.state = Waiting
			}
			at = now
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	slices.SortFunc(work, func(a, b job) int { return cmp.Compare(a.name, b.name) })
	return work, next
}

// perform does the work, a few things at a time. A failure that would be the same for everybody ends it.
func (k *Keeper) perform(ctx context.Context, work []job) {
	if err := k.find(ctx, work); err != nil {
		k.failed(err)
		return
	}
	limited, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	free := make(chan struct{}, workers)
	for _, j := range work {
		free <- struct{}{}
		if limited.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-free }()
			if err := k.do(limited, j); general(err) {
				stop(err)
			}
		})
	}
	running.Wait()
	if limited.Err() == nil {
		k.pause, k.resumption = 0, time.Time{}
		k.mu.Lock()
		k.down, k.asked = nil, true
		k.mu.Unlock()
	} else if ctx.Err() == nil {
		k.failed(context.Cause(limited))
	}
}

// failed is that nothing can be done at present.
func (k *Keeper) failed(err error) {
	var e *Error
	if !errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return
	}
	first, last := firstPause, lastPause
	if e.Status != 0 && e.Status < 500 {
		first, last = refusedFirst, refusedLast
	}
	k.pause = min(max(first, 2*k.pause), last)
	k.resumption = time.Now().Add(k.pause)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = e
}

// general says whether a failure is one for all users: the STARFACE is not reached, or does not let us in.
func general(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch {
	case e.Op == opLogin, e.Status >= 300 && e.Status < 400:
		return true
	case e.Status == 0:
		return e.Cure != cureForm
	}
	return slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable}, e.Status)
}

// find finds out who they are at the STARFACE for whom something is to be set, and who is gone there.
func (k *Keeper) find(ctx context.Context, work []job) error {
	asks := func(j job) bool { return j.todo == set && j.own == nil || j.lost }
	if !slices.ContainsFunc(work, asks) {
		return nil
	}
	age := time.Since(k.read)
	if k.users == nil || age >= listLife || age >= listAgain && k.anybodyMissing(work) {
		users, err := k.o.Client.Users(ctx)
		if err != nil {
			return err
		}
		k.users, k.read = users, time.Now()
	}
	k.mu.Lock()
	people := make([]Person, 0, len(k.people))
	for _, p := range k.people {
		people = append(people, p.Person)
	}
	k.mu.Unlock()
	who := match(people, k.users)
	for n, j := range work {
		at, there := who[j.name]
		if !there && j.todo == set { // nothing is wished for him any more
			work[n].todo = nothing
		}
		work[n].at = at
		work[n].lost = j.lost && !slices.ContainsFunc(k.users, func(u User) bool { return u.ID == j.own.ID })
	}
	return nil
}

// anybodyMissing says whether somebody was not found, or was refused, so that the list may be too old.
func (k *Keeper) anybodyMissing(work []job) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(work, func(j job) bool {
		p := k.people[j.name]
		return j.lost || p != nil && j.todo == set && (p.state == Unknown || p.state == Ambiguous || p.state == Refused)
	})
}
