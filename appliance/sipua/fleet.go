package sipua

import (
	"context"
	"sync"
)

// worker does one thing until its context ends, on a goroutine of its own.
type worker[S any] interface {
	run(ctx context.Context)
	// replaced tells a worker, before its context ends, which wish takes the place of its own.
	replaced(by S)
}

// wish is what a worker is made from. Another wish with the same key is another worker in the same place.
type wish interface {
	comparable
	key() string
}

// fleet is a set of workers that follows a list of wishes: one worker for each.
type fleet[S wish, W worker[S]] struct {
	create func(spec S, among int) W // among: how many are wanted

	mu      sync.Mutex
	running map[string]*member[S, W] // by key
	ending  map[string]*member[S, W] // the last one before: its successor waits, or its good-bye would end what the successor begins
	ended   bool
}

// member is a worker in its goroutine.
type member[S wish, W worker[S]] struct {
	spec   S
	worker W
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
}

func newFleet[S wish, W worker[S]](create func(S, int) W) *fleet[S, W] {
	return &fleet[S, W]{create: create, running: map[string]*member[S, W]{}, ending: map[string]*member[S, W]{}}
}

// follow starts a worker for each new wish and stops those without one. A worker whose wish is still the same is not touched.
func (f *fleet[S, W]) follow(list []S) {
	wanted := map[string]S{}
	for _, spec := range list {
		wanted[spec.key()] = spec
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	for key, m := range f.running {
		spec, still := wanted[key]
		if still && spec == m.spec {
			continue
		}
		if still {
			m.worker.replaced(spec)
		}
		f.cancel(key, m)
	}
	for key, spec := range wanted {
		if f.running[key] == nil {
			f.start(key, spec, f.create(spec, len(wanted)))
		}
	}
}

// start runs a worker once the one before it has ended. The lock is held.
func (f *fleet[S, W]) start(key string, spec S, w W) {
	ctx, cancel := context.WithCancel(context.Background())
	m := &member[S, W]{spec: spec, worker: w, cancel: cancel, done: make(chan struct{})}
	before := f.ending[key]
	f.running[key] = m
	go func() {
		defer close(m.done)
		defer cancel()
		if before != nil {
			<-before.done
		}
		w.run(ctx)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.ending[key] == m {
			delete(f.ending, key)
		}
	}()
}

// cancel has a worker end. The lock is held.
func (f *fleet[S, W]) cancel(key string, m *member[S, W]) {
	m.cancel()
	delete(f.running, key)
	f.ending[key] = m
}

// stop ends the workers that are meant and waits for them, also for those that were about to end.
func (f *fleet[S, W]) stop(meant func(W) bool) {
	f.mu.Lock()
	for key, m := range f.running {
		if meant(m.worker) {
			f.cancel(key, m)
		}
	}
	var list []*member[S, W]
	for _, m := range f.ending {
		if meant(m.worker) {
			list = append(list, m)
		}
	}
	f.mu.Unlock()
	for _, m := range list {
		<-m.done
	}
}

// end ends all workers and waits for them. Nothing is started afterwards.
func (f *fleet[S, W]) end() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.stop(func(W) bool { return true })
}

// worker returns the worker with a key; false: there is none.
func (f *fleet[S, W]) worker(key string) (w W, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.running[key]; m != nil {
		return m.worker, true
	}
	return w, false
}

// workers are those that run, in no order.
func (f *fleet[S, W]) workers() (list []W) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.running {
		list = append(list, m.worker)
	}
	return list
}

// shown is the state of a worker, which others may read while it works.
type shown[T any] struct {
	mu    sync.Mutex
	state T
}

// change changes it.
func (s *shown[T]) change(f func(*T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.state)
}

// snapshot is the state now.
func (s *shown[T]) snapshot() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
