package media

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// commands is how other goroutines have a thread do something.
type commands struct {
	wakeup int // eventfd
	asleep atomic.Bool
	held   sync.Mutex // by the thread while it runs and is not asleep, and by who does something in its place; taken before mu

	mu      sync.Mutex
	queue   []func()
	running bool
	ended   bool // the thread ran, and never will again
}

// do runs f on the thread, or here and now when the thread sleeps or does not run, and waits for it. To wake the thread costs more than
// most of what it is asked to do. f must be short.
func (t *thread) do(f func()) {
	c := &t.commands
	asleep := c.held.TryLock()
	if asleep {
		defer c.held.Unlock()
	}
	c.mu.Lock()
	if !c.running {
		defer c.mu.Unlock()
		t.now = max(time.Since(t.base), 1)
		f()
		return
	}
	if asleep {
		c.mu.Unlock()
		t.now = time.Since(t.base)
		f()
		t.flush()
		t.askRoutes()
		if len(t.noisy) > 0 {
			c.wake() // it may have to wake earlier now
		}
		return
	}
	done := make(chan struct{})
	c.queue = append(c.queue, func() { f(); close(done) })
	if c.asleep.Load() {
		c.wake() // with the lock: the thread cannot end before, and the eventfd's number be another file's
	}
	c.mu.Unlock()
	<-done
}

func (c *commands) wake() {
	one := [8]byte{0: 1}
	_, _ = unix.Write(c.wakeup, one[:]) // full: it is awake
}

// begin says that the thread runs from now on.
func (c *commands) begin() {
	c.held.Lock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = true
}

// run does on the thread what was asked.
func (c *commands) run() {
	c.mu.Lock()
	queue := c.queue
	c.queue = nil
	c.mu.Unlock()
	for _, f := range queue {
		f()
	}
}

func (c *commands) waiting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) > 0
}

// end does what was asked last, and then f. From then on a command runs on the goroutine that gives it.
func (c *commands) end(f func()) {
	defer c.held.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.ended = false, true
	for _, f := range c.queue {
		f()
	}
	c.queue = nil
	f()
}
