package license

import (
	"slices"
	"time"
)

// A hub may lease the box more than its own licenses allow. Whoever brings that is attached to the Manager: it hears by Wanted that more is needed,
// reads Usage, and gives and takes by SetLeased and Shrink. While it is attached, a call that finds nothing free may wait for it. Without it nothing
// waits, and nothing is told.

const (
	Patience   = 300 * time.Millisecond // that a call waits for more, at most: less than SIP takes to its first retransmission
	MaxWaiting = 1000                   // calls that wait at once; the next one is refused as if nobody brought more
)

// growth is what a Manager knows of growing. The Manager's lock guards it.
type growth struct {
	attached bool
	headroom amount        // Wanted tells when less is free
	wanted   chan struct{} // one token
	recent   amount        // most that was in use since Usage
	waiting  []*waiter     // in their order
	settled  []*waiter     // that wait no more; unlock tells them
}

// waiter is a call that waits.
type waiter struct {
	want  amount
	share *share     // what it was given in the end; nil: nothing
	lacks *Exhausted // why
	timer *time.Timer
	then  func(Share, error)
}

// Attach says that somebody can bring more, who hears by Wanted when less than headroom of a kind, or nothing, is free.
func (m *Manager) Attach(headroom map[Kind]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.attached {
		m.recent = m.used
	}
	m.attached = true
	for i, kind := range pools {
		m.headroom[i] = max(1, headroom[kind])
	}
	m.taken()
}

// Detach says that nobody brings more. Those who wait are refused. What is leased stays until SetLeased.
func (m *Manager) Detach() {
	m.mu.Lock()
	defer m.unlock()
	m.attached = false
	m.settle(func(*waiter) bool { return true })
}

// Wanted has a token when calls wait, or when less than the head-room is free, and Usage has news. It is asked by one.
func (m *Manager) Wanted() <-chan struct{} { return m.wanted }

// Usage is how much of a kind is in use.
type Usage struct {
	Kind    Kind
	Own     int // the box's own licenses allow
	Leased  int // on top of those
	InUse   int // more than both after a loss
	Peak    int // most that was in use at once since Usage was asked last
	Waiting int // that calls wait for
}

// Usage tells how much of each counted kind is in use.
func (m *Manager) Usage() []Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	var waiting amount
	for _, w := range m.waiting {
		waiting = waiting.plus(w.want)
	}
	list := make([]Usage, 0, len(pools))
	for i, kind := range pools {
		list = append(list, Usage{kind, m.total[i] - m.leased[i], m.leased[i], m.used[i], max(m.recent[i], m.used[i]), waiting[i]})
	}
	m.recent = m.used
	return list
}

// SetLeased says how much of a counted kind the box has from a hub. Calls go on when it is less than they use.
func (m *Manager) SetLeased(kind Kind, count int) {
	i := indexOf(kind)
	if i < 0 {
		return
	}
	m.mu.Lock()
	defer m.unlock()
	m.leased[i] = max(0, count)
	m.count()
}

// Shrink lowers what the box has from a hub to count, or only to what calls need now, and returns what it has left. What it does not have any more
// can be given back: no call uses it.
func (m *Manager) Shrink(kind Kind, count int) (left int) {
	i := indexOf(kind)
	if i < 0 {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	own := m.total[i] - m.leased[i]
	m.leased[i] = min(m.leased[i], max(0, count, m.used[i]-own))
	m.count()
	return m.leased[i]
}

// Deny refuses those who wait for a kind: no more of it comes now.
func (m *Manager) Deny(kind Kind) {
	i := indexOf(kind)
	m.mu.Lock()
	defer m.unlock()
	m.settle(func(w *waiter) bool { return i >= 0 && w.want[i] > 0 && w.want[i] > m.total[i]-m.used[i] })
}

// Await is for a caller whom Acquire has just refused. While somebody can bring more, then is called once, by another goroutine or before Await
// returns: with the share, within Patience, or with an *Exhausted. It must not block, and no lock that it takes may be held. When stop reports true
// it is not called any more. Without waits nobody is to be waited for, or too many wait.
func (m *Manager) Await(sessions, channels int, then func(Share, error)) (stop func() bool, waits bool) {
	w := &waiter{want: amount{sessions, channels}, then: then}
	m.mu.Lock()
	defer m.unlock()
	if !m.attached || len(m.waiting) >= MaxWaiting {
		return nil, false
	}
	if w.lacks = m.lacks(w.want); w.lacks != nil { // unlock looks again
		i := indexOf(Kind(w.lacks.Pool))
		m.refused[i] = max(0, m.refused[i]-1) // it is not refused yet; Acquire may have counted the other pool, since when things have changed
	}
	w.timer = time.AfterFunc(Patience, func() {
		m.mu.Lock()
		defer m.unlock()
		m.settle(func(x *waiter) bool { return x == w })
	})
	m.waiting = append(m.waiting, w)
	m.tell()
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		n := slices.Index(m.waiting, w)
		if n < 0 {
			return false
		}
		w.timer.Stop()
		m.waiting = slices.Delete(m.waiting, n, n+1)
		return true
	}, true
}

// settle has those wait no more. The caller holds mu, and tells them by unlock.
func (m *Manager) settle(done func(*waiter) bool) {
	m.waiting = slices.DeleteFunc(m.waiting, func(w *waiter) bool {
		if !done(w) {
			return false
		}
		w.timer.Stop()
		m.settled = append(m.settled, w)
		return true
	})
}

// unlock gives what is free to those who wait for it, lets go of mu and tells those who wait no more. Whoever makes more free uses it.
func (m *Manager) unlock() {
	if len(m.waiting) == 0 && len(m.settled) == 0 {
		m.mu.Unlock()
		return
	}
	m.settle(func(w *waiter) bool {
		e := m.lacks(w.want)
		if e != nil {
			return false
		}
		m.take(w.want)
		w.share = &share{m, w.want}
		return true
	})
	settled := m.settled
	m.settled = nil
	for _, w := range settled {
		if w.share == nil {
			if e := m.lacks(w.want); e != nil {
				w.lacks = e
			}
			m.refuse(w.lacks)
		}
	}
	m.mu.Unlock()
	for _, w := range settled {
		if w.share != nil {
			w.then(w.share, nil)
		} else {
			w.then(nil, w.lacks)
		}
	}
}

// taken tells that little is left. The caller holds mu.
func (m *Manager) taken() {
	m.recent = m.recent.most(m.used)
	for i, room := range m.headroom {
		if m.total[i]-m.used[i] < room {
			m.tell()
		}
	}
}

func (m *Manager) tell() {
	select {
	case m.wanted <- struct{}{}:
	default:
	}
}
