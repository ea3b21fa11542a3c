package sipgw

// Owner is what a leg belongs to: a call.
type Owner interface {
	// Post has f run on the owner's goroutine, later and in order; it never blocks. It returns false once the owner has
	// ended and f will not run: the leg then goes on by itself (it still answers, acknowledges and hangs up). A mailbox.Mailbox does all this.
	Post(f func()) bool
	// Event tells what happened; it is called on the owner's goroutine.
	Event(*Leg, Event)
}

// Owner is what the leg belongs to now; nil: nothing. It may be called from any goroutine.
func (l *Leg) Owner() Owner { return l.ownership.Current() }

// Take makes o the owner of a leg that came in. It is called once, inside OnInvite.
func (l *Leg) Take(o Owner) {
	for _, f := range l.ownership.Take(o) {
		l.post(f)
	}
}

// Leave says that o has ended, and may be called from any goroutine then. What is still to be done for the leg runs on the stack's own
// loop, as it would anyhow; o is not kept alive for it. A leg that has another owner now is left alone.
func (l *Leg) Leave(o Owner) { l.ownership.Leave(o) }

// post has f run on the owner's goroutine, or on the stack's own loop once the owner has ended.
func (l *Leg) post(f func()) {
	o, later := l.ownership.Defers(f)
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
	if l.g != nil && !l.g.Speaks() {
		return
	}
	if o := l.ownership.Current(); o != nil {
		o.Post(func() { o.Event(l, e) })
	}
}
