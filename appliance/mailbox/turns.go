package mailbox

import (
	"sync"
	"time"
)

// Turns bounds how many of its mailboxes work at a time. The others wait here, and not in the runtime's queue of goroutines: that one is the same
// for all, and a read loop whose message has come goes to its end. Behind the goroutines of a thousand calls it comes too late to refuse one.
// Mailboxes that have worked before come first: what has begun is finished before more is begun.
//
// What a mailbox runs is short; for a longer wait there is Await. Should all that have a turn wait for something, others get one after a while, so that no mailbox waits for
// another in vain.
type Turns struct {
	most int

	mu    sync.Mutex
	free  int    // turns that nobody has; none while somebody waits
	extra int    // turns that were given because none came back, and go when they do
	back  uint64 // turns that came back
	seen  uint64 // of these, when watch was set
	begun queue  // mailboxes that have worked before
	fresh queue
	watch *time.Timer // runs while somebody waits
}

// queue is who waits. Each channel takes one token without blocking.
type queue []chan struct{}

// stuck is how long no turn comes back before there are more of them.
const stuck = 20 * time.Millisecond

// NewTurns lets so many mailboxes work at a time.
func NewTurns(most int) *Turns { return &Turns{most: most, free: most} }

// take waits for a turn. ready is told of it; fresh says that the mailbox has not worked before.
func (t *Turns) take(ready chan struct{}, fresh bool) {
	if t == nil {
		return
	}
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return
	}
	if !t.awaited() {
		t.look()
	}
	q := &t.begun
	if fresh {
		q = &t.fresh
	}
	*q = append(*q, ready)
	t.mu.Unlock()
	<-ready
}

// give takes a turn back and hands it on.
func (t *Turns) give() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.back++; t.extra > 0 {
		t.extra--
		return
	}
	t.free++
	t.hand()
}

func (t *Turns) awaited() bool { return len(t.begun)+len(t.fresh) > 0 }

// hand gives free turns to those that wait.
func (t *Turns) hand() {
	for t.free > 0 && t.awaited() {
		q := &t.begun
		if len(*q) == 0 {
			q = &t.fresh
		}
		(*q)[0] <- struct{}{}
		(*q)[0] = nil
		*q = (*q)[1:]
		t.free--
	}
}

// look has stalled called after a while.
func (t *Turns) look() {
	if t.seen = t.back; t.watch == nil {
		t.watch = time.AfterFunc(stuck, t.stalled)
		return
	}
	t.watch.Reset(stuck)
}

// stalled gives more turns when none has come back.
func (t *Turns) stalled() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.back == t.seen && t.awaited() {
		t.free = t.most
		t.hand()
		t.extra += t.most - t.free
		t.free = 0
	}
	if t.awaited() {
		t.look()
	}
}
