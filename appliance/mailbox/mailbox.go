// Package mailbox runs functions one after the other on one goroutine, so that what they share needs no lock. A mailbox starts no
// goroutine: Run takes the one of its caller. Turns bounds how many of them work at a time.
package mailbox

import "sync"

// Mailbox runs functions one after the other, in the order in which they were posted.
type Mailbox struct {
	mu     sync.Mutex
	queue  []func()
	wake   chan struct{} // one token: the queue changed
	ending bool
	ended  bool

	turns *Turns        // nil: it works when it likes
	begun bool          // it comes before those that have not worked yet
	ready chan struct{} // it has a turn
}

// New returns an empty mailbox.
func New() *Mailbox { return &Mailbox{wake: make(chan struct{}, 1)} }

// Under returns an empty mailbox that works when it has a turn. begun: it waits with those that have worked before, from its first function on.
func Under(t *Turns, begun bool) *Mailbox {
	m := New()
	m.turns, m.begun, m.ready = t, begun, make(chan struct{}, 1)
	return m
}

// Post queues f; it never blocks. False: the mailbox has ended and f will not run.
func (m *Mailbox) Post(f func()) bool {
	m.mu.Lock()
	if m.ended {
		m.mu.Unlock()
		return false
	}
	m.queue = append(m.queue, f)
	m.mu.Unlock()
	m.signal()
	return true
}

// End lets Run return once everything that was posted has run. It may be called from a posted function.
func (m *Mailbox) End() {
	m.mu.Lock()
	m.ending = true
	m.mu.Unlock()
	m.signal()
}

func (m *Mailbox) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run runs the functions until End.
func (m *Mailbox) Run() {
	var batch []func()
	for ; m.wait(); m.begun = true {
		m.turns.take(m.ready, !m.begun)
		m.mu.Lock()
		batch, m.queue = m.queue, batch[:0]
		m.mu.Unlock()
		for i, f := range batch {
			f()
			batch[i] = nil
		}
		m.turns.give()
	}
}

// Await waits for the end of a channel, and lets others have the turn meanwhile. It is called from a posted function.
func (m *Mailbox) Await(over <-chan struct{}) {
	m.turns.give()
	<-over
	m.turns.take(m.ready, false)
}

// wait waits until something was posted; false: the mailbox has ended.
func (m *Mailbox) wait() bool {
	for {
		m.mu.Lock()
		posted := len(m.queue) > 0
		m.ended = !posted && m.ending
		ended := m.ended
		m.mu.Unlock()
		if posted || ended {
			return posted
		}
		<-m.wake
	}
}
