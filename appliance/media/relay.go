package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"viaduct/appliance/media/ports"
	"viaduct/appliance/steer"
)

// Defaults of Options.
const (
	defaultQuarantine = 10 * time.Second
	defaultTimeout    = 90 * time.Second // longer than any pause of comfort noise
)

// Threads is how many relay threads there are unless Options say otherwise.
const Threads = 1

// steeredPorts is how many ports can share the sockets of the threads.
const steeredPorts = 1 << 14

// Relay is the media engine of a process.
type Relay struct {
	options Options
	pools   *ports.Pools
	events  *eventQueue
	threads []*thread
	failure error // of New; Run and Open return it

	mu       sync.Mutex // guards prepared and ended
	prepared bool
	ended    bool
	steering *steer.Steering // nil: the kernel does not permit it. Set once, before any port is opened
}

// New prepares a relay. Sessions may be opened before Run; packets flow while Run runs.
func New(o Options) *Relay {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Threads < 1 {
		o.Threads = Threads
	}
	if o.Quarantine == 0 {
		o.Quarantine = defaultQuarantine
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.lease == 0 {
		o.lease = defaultLease
	}
	r := &Relay{options: o, pools: ports.NewPools(o.Quarantine), events: newEventQueue()}
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

// errEnded is the error of Open after the relay's end.
var errEnded = errors.New("media relay has ended")

// Run relays until ctx ends, then closes all ports. It runs once.
func (r *Relay) Run(ctx context.Context) error {
	if r.failure != nil {
		r.end()
		return r.failure
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
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
	r.events.end()
	delivery.Wait()
	r.end()
	return errors.Join(errs...)
}

// end closes the files of threads and steering. The threads have closed all ports and open no more.
func (r *Relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, t := range r.threads {
		t.closeFiles()
	}
	if r.steering != nil {
		r.steering.Close()
	}
}

// prepare makes everything that needs privileges, in the network namespace of the caller: the threads' raw sockets, and the steering of ports
// with its shared sockets. Later calls do nothing. It fails when the relay has ended.
func (r *Relay) prepare() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return errEnded
	}
	if r.prepared {
		return nil
	}
	r.prepared = true
	for _, t := range r.threads {
		raw, err := rawSocket()
		if err != nil {
			r.options.Log.Warn("media packets are sent one by one, which costs more", "err", err)
		}
		t.do(func() { t.batch.raw = raw })
		if err == nil && r.options.Unfiltered != nil {
			if err := t.openDirect(); err != nil {
				r.options.Log.Warn("media packets are sent through the kernel's routing, which costs more", "err", err)
			}
		}
	}
	if r.options.ownSockets {
		return nil
	}
	var err error
	if r.steering, err = r.steer(); err != nil {
		r.options.Log.Warn("media ports are read one by one, which costs more", "err", err)
		return nil
	}
	r.options.Log.Info("media ports share a socket")
	return nil
}

func (r *Relay) steer() (*steer.Steering, error) {
	s, err := steer.New(len(r.threads), cmp.Or(r.options.steered, steeredPorts))
	if err != nil {
		return nil, fmt.Errorf("media steering: %w", err)
	}
	for _, t := range r.threads {
		t.do(func() { err = errors.Join(err, t.share(s.Sockets(t.number))) })
	}
	if err != nil {
		for _, t := range r.threads {
			t.do(t.unshare)
		}
		s.Close()
		return nil, fmt.Errorf("media steering: %w", err)
	}
	return s, nil
}

// eventQueue keeps the relay threads from blocking: it runs functions of calls and writes to the log on a goroutine of its own.
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

func (q *eventQueue) end() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.some.Signal()
}

// deliver runs what is posted, until end.
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
