package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// Defaults of Options.
const (
	defaultQuarantine = 10 * time.Second
	defaultTimeout    = 90 * time.Second // longer than any pause of comfort noise
)

// Relay is the media engine of a process.
type Relay struct {
	options Options
	pools   pools
	events  *eventQueue
	threads []*thread
	failure error // of New, told by Run and Open

	prepared sync.Once
	steering *steering // nil: the kernel does not permit it. Set once, before any port is opened
}

// New prepares a relay. Sessions may be opened before Run; packets flow while Run runs.
func New(o Options) *Relay {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Threads < 1 {
		o.Threads = 1
	}
	if o.Quarantine == 0 {
		o.Quarantine = defaultQuarantine
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	r := &Relay{options: o, pools: pools{quarantine: o.Quarantine, byRange: map[portRange]*pool{}}, events: newEventQueue()}
	for i := range o.Threads {
		t, err := newThread(r, i)
		if err != nil {
			r.failure = err
			break
		}
		r.threads = append(r.threads, t)
	}
	return r
}

// Run relays until ctx ends, then closes what is still open. It runs once.
func (r *Relay) Run(ctx context.Context) error {
	if r.failure != nil {
		return r.failure
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	processors := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(processors + len(r.threads)) // see doze
	defer runtime.GOMAXPROCS(processors)
	var work, delivery sync.WaitGroup
	delivery.Go(r.events.deliver)
	errs := make([]error, len(r.threads))
	for i, t := range r.threads {
		work.Go(func() {
			defer cancel() // one thread less would leave calls mute: all end, and the caller hears why
			errs[i] = t.run(ctx)
		})
	}
	work.Wait()
	r.events.close()
	delivery.Wait()
	for _, t := range r.threads {
		t.release()
	}
	if r.steering != nil {
		r.steering.close()
	}
	return errors.Join(errs...)
}

// prepare makes what needs privileges, in the network namespace of the caller: the threads' raw sockets, and the steering of ports with
// the sockets that they share.
func (r *Relay) prepare() {
	r.prepared.Do(func() {
		raw := make([]int, len(r.threads))
		for i, t := range r.threads {
			var err error
			if raw[i], err = rawSocket(); err != nil {
				r.options.Log.Warn("media packets are sent one by one, which costs more", "err", err)
			}
			t.do(func() { t.batch.raw = raw[i] })
		}
		if r.options.ownSockets {
			return
		}
		var err error
		if r.steering, err = r.steer(); err != nil {
			r.options.Log.Warn("media ports are read one by one, which costs more", "err", err)
			return
		}
		r.options.Log.Info("media ports share a socket")
	})
}

func (r *Relay) steer() (*steering, error) {
	s, err := newSteering(len(r.threads))
	if err != nil {
		return nil, fmt.Errorf("media steering: %w", err)
	}
	for _, t := range r.threads {
		t.do(func() { err = errors.Join(err, t.share(s.ofThread(t.number))) })
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("media steering: %w", err)
	}
	return s, nil
}

// eventQueue takes what may block away from the relay threads: functions of calls, and the log.
type eventQueue struct {
	mu     sync.Mutex
	some   *sync.Cond
	queue  []func()
	closed bool
}

func newEventQueue() *eventQueue {
	q := &eventQueue{}
	q.some = sync.NewCond(&q.mu)
	return q
}

func (q *eventQueue) post(f func()) {
	q.mu.Lock()
	q.queue = append(q.queue, f)
	q.mu.Unlock()
	q.some.Signal()
}

func (q *eventQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.some.Signal()
}

// deliver runs until close.
func (q *eventQueue) deliver() {
	for {
		q.mu.Lock()
		for len(q.queue) == 0 && !q.closed {
			q.some.Wait()
		}
		queue, closed := q.queue, q.closed
		q.queue = nil
		q.mu.Unlock()
		for _, f := range queue {
			f()
		}
		if closed && len(queue) == 0 {
			return
		}
	}
}
