// Package roster runs workers that follow a list of wishes: one worker for each, on a goroutine of its own. Registrations, probes and subscriptions
// are such workers.
//
// It owns when a worker begins and ends, and that its successor waits for it. It does not own what a worker does.
//
// Goroutines: one per worker. Stop and End wait for them.
package roster

import (
	"context"
	"sync"
)

// Worker does one thing until its context ends, on a goroutine of its own.
type Worker[S any] interface {
	Run(ctx context.Context)
	// Replaced tells a worker, before its context ends, which wish takes the place of its own.
	Replaced(by S)
}

// Wish is what a worker is made from. Another wish with the same key is another worker in the same place.
type Wish interface {
	comparable
	Key() string
}

// Roster is a set of workers that follows a list of wishes: one worker for each.
type Roster[S Wish, W Worker[S]] struct {
	create func(spec S, among int) W // among: how many are wanted

	mu      sync.Mutex
	running map[string]*member[S, W] // by key
	ending  map[string]*member[S, W] // the last one before: its successor waits, or its good-bye would end what the successor begins
	ended   bool
}

// member is a worker in its goroutine.
type member[S Wish, W Worker[S]] struct {
	spec   S
	worker W
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
}

// New returns a roster without workers.
func New[S Wish, W Worker[S]](create func(S, int) W) *Roster[S, W] {
	return &Roster[S, W]{create: create, running: map[string]*member[S, W]{}, ending: map[string]*member[S, W]{}}
}

// Follow starts a worker for each new wish and stops those without one. A worker whose wish is still the same is not touched.
func (r *Roster[S, W]) Follow(list []S) {
	wanted := map[string]S{}
	for _, spec := range list {
		wanted[spec.Key()] = spec
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	for key, m := range r.running {
		spec, still := wanted[key]
		if still && spec == m.spec {
			continue
		}
		if still {
			m.worker.Replaced(spec)
		}
		r.cancel(key, m)
	}
	for key, spec := range wanted {
		if r.running[key] == nil {
			r.start(key, spec, r.create(spec, len(wanted)))
		}
	}
}

// start runs a worker once the one before it has ended. The lock is held.
func (r *Roster[S, W]) start(key string, spec S, w W) {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member[S, W]{spec: spec, worker: w, cancel: cancel, done: make(chan struct{})}
	before := r.ending[key]
	r.running[key] = m
	go func() {
		defer close(m.done)
		defer cancel()
		if before != nil {
			<-before.done
		}
		w.Run(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.ending[key] == m {
			delete(r.ending, key)
		}
	}()
}

// cancel has a worker end. The lock is held.
func (r *Roster[S, W]) cancel(key string, m *member[S, W]) {
	m.cancel()
	delete(r.running, key)
	r.ending[key] = m
}

// Stop ends the workers that are meant and waits for them, also for those that were about to end.
func (r *Roster[S, W]) Stop(meant func(W) bool) {
	r.mu.Lock()
	for key, m := range r.running {
		if meant(m.worker) {
			r.cancel(key, m)
		}
	}
	var list []*member[S, W]
	for _, m := range r.ending {
		if meant(m.worker) {
			list = append(list, m)
		}
	}
	r.mu.Unlock()
	for _, m := range list {
		<-m.done
	}
}

// End ends all workers and waits for them. Nothing is started afterwards.
func (r *Roster[S, W]) End() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.Stop(func(W) bool { return true })
}

// Find returns the worker with a key; false: there is none.
func (r *Roster[S, W]) Find(key string) (w W, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.running[key]; m != nil {
		return m.worker, true
	}
	return w, false
}

// Workers are those that run, in no order.
func (r *Roster[S, W]) Workers() (list []W) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.running {
		list = append(list, m.worker)
	}
	return list
}

// Shown is the state of a worker, which others may read while it works.
type Shown[T any] struct {
	mu    sync.Mutex
	state T
}

// Show returns a state to begin with.
func Show[T any](state T) *Shown[T] { return &Shown[T]{state: state} }

// Change changes it.
func (s *Shown[T]) Change(f func(*T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}

// Snapshot is the state now.
func (s *Shown[T]) Snapshot() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
