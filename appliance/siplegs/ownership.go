package siplegs

import "sync"

// Ownership says on which goroutine things happen to a leg: that of its owner O, whose zero value is nobody. The zero Ownership is that of a
// leg whose owner is yet to come.
type Ownership[O comparable] struct {
	mu    sync.Mutex
	state ownerState
	owner O        // zero: none yet, or it has left
	early []func() // what was posted before Take
}

type ownerState uint8

const (
	unowned  ownerState = iota // an owner will take it, or it is abandoned
	owned                      // the owner runs what happens
	orphaned                   // somebody else does, because the owner has ended
)

// Take makes o the owner, and returns what was posted before.
func (w *Ownership[O]) Take(o O) (early []func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	early, w.early = w.early, nil
	w.owner, w.state = o, owned
	return early
}

// Abandon leaves a leg without an owner to itself. It returns what was posted before; ok is false when the leg has an owner.
func (w *Ownership[O]) Abandon() (early []func(), ok bool) {
	var nobody O
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owner != nobody {
		return nil, false
	}
	early, w.early = w.early, nil
	w.state = orphaned
	return early, true
}

// Leave lets go of o, unless the leg has another owner now.
func (w *Ownership[O]) Leave(o O) {
	var nobody O
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.owner == o {
		w.owner, w.state = nobody, orphaned
	}
}

// Current is the owner; zero: none.
func (w *Ownership[O]) Current() O {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.owner
}

// Defers keeps f for later where there is no owner yet. Else it reports false, with the owner.
func (w *Ownership[O]) Defers(f func()) (owner O, later bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == unowned {
		w.early = append(w.early, f)
		return owner, true
	}
	return w.owner, false
}
