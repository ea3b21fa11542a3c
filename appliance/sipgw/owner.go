package sipgw

import "sync"

// Owner is what a leg belongs to: a call.
type Owner interface {
	// Post has f run on the owner's goroutine, later and in order; it never blocks. It returns false once the owner has
	// ended and f will not run: the leg then goes on by itself (it still answers, acknowledges and hangs up). A mailbox.Mailbox does all this.
	Post(f func()) bool
	// Event tells what happened; it is called on the owner's goroutine.
	Event(*Leg, Event)
}

// ownership says on which goroutine things happen to a leg. It may be asked from any goroutine.
type ownership struct {
	mu    sync.Mutex
	state ownerState
	owner Owner    // nil: none yet, or it has left
	early []func() // what was posted before Take
}

type ownerState uint8

const (
	unowned  ownerState = iota // an incoming leg, inside OnInvite
	owned                      // the owner runs what happens
	orphaned                   // the stack's own loop does, because the owner has ended
)

// take makes o the owner, and returns what was posted before.
func (w *ownership) take(o Owner) (early []func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	early, w.early = w.early, nil
	w.owner, w.state = o, owned
	return early
}

// abandon leaves a leg without an owner to the stack. It returns what was posted before; ok is false when the leg has an owner.
func (w *ownership) abandon() (early []func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owner != nil {
		return nil, false
	}
	early, w.early = w.early, nil
	w.state = orphaned
	return early, true
}

// leave lets go of o, unless the leg has another owner now.
func (w *ownership) leave(o Owner) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owner == o {
		w.owner, w.state = nil, orphaned
	}
}

// current is the owner; nil: none.
func (w *ownership) current() Owner {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owner
}

// defers keeps f for later where there is no owner yet. Else it reports false, with the owner.
func (w *ownership) defers(f func()) (Owner, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == unowned {
		w.early = append(w.early, f)
		return nil, true
	}
	return w.owner, false
}

// Owner is what the leg belongs to now; nil: nothing. It may be called from any goroutine.
func (l *Leg) Owner() Owner { return l.ownership.current() }

// Take makes o the owner of a leg that came in. It is called once, inside OnInvite.
func (l *Leg) Take(o Owner) {
	for _, f := range l.ownership.take(o) {
		l.post(f)
	}
}

// Leave says that o has ended, and may be called from any goroutine then. What is still to be done for the leg runs on the stack's own
// loop, as it would anyhow; o is not kept alive for it. A leg that has another owner now is left alone.
func (l *Leg) Leave(o Owner) { l.ownership.leave(o) }

// post has f run on the owner's goroutine, or on the stack's own loop once the owner has ended.
func (l *Leg) post(f func()) {
	o, later := l.ownership.defers(f)
	if later || o != nil && o.Post(f) {
		return
	}
	l.stack.orphans.Post(func() {
		f()
		if l.state != legOver {
			l.Bye() // no call uses it any more
		}
	})
}

// emit tells the owner. It is posted, so that an event never comes in the middle of a method that the owner called.
func (l *Leg) emit(e Event) {
	if o := l.ownership.current(); o != nil {
		o.Post(func() { o.Event(l, e) })
	}
}
