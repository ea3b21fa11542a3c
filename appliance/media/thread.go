package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"viaduct/appliance/srtp"

	"golang.org/x/sys/unix"
)

// tick is the shortest time between two looks at the sockets. At load it turns a wake-up per packet into one for all that came
// within a millisecond; docs/performance.md has what that is worth.
const tick = time.Millisecond

// housekeeping is how often the thread looks for silence, due reports and used keys.
const housekeeping = time.Second

// thread is one relay thread: it owns its sockets and the legs behind them.
type thread struct {
	relay *Relay
	log   *slog.Logger
	base  time.Time // t.now counts from here
	now   time.Duration

	epoll     int
	wakeup    int // eventfd
	number    int // among the relay's
	rxSockets []*rxSocket
	shared    []*rxSocket // those of them that all ports share
	free      []int       // indexes in rxSockets that are free
	table     portTable   // of the ports that share a socket
	legs      map[*leg]struct{}
	crypt     *srtp.Crypter
	empty     inbound
	batch     *batch
	input     *input
	slot      int  // that is being handled
	busy      bool // the last turn had packets
	events    []unix.EpollEvent
	// indexes of rxSockets that have packets left from the last turn; spare is the other slice of the exchange
	backlog, spare []int
	noisy          []*leg // sides that hear a sound of ours

	housekept time.Duration
	load      atomic.Int32 // sessions

	mu      sync.Mutex
	queue   []func()
	running bool
	ended   bool // ran, and never will again
	asleep  atomic.Bool
}

func newThread(r *Relay, number int) (*thread, error) {
	t := &thread{relay: r, number: number, log: r.options.Log, base: time.Now(), legs: map[*leg]struct{}{}, crypt: srtp.NewCrypter(),
		events: make([]unix.EpollEvent, 1024), epoll: -1, wakeup: -1}
	t.now = 1 // zero means never
	var err error
	if t.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("media thread: %w", os.NewSyscallError("epoll_create", err))
	}
	if t.wakeup, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(t.epoll)
		return nil, fmt.Errorf("media thread: %w", os.NewSyscallError("eventfd", err))
	}
	if err := t.expect(t.wakeup, -1); err != nil {
		t.closeFiles()
		return nil, fmt.Errorf("media thread: %w", err)
	}
	t.input = newInput()
	t.batch = newBatch()
	return t, nil
}

func (t *thread) closeFiles() {
	unix.Close(t.epoll)
	unix.Close(t.wakeup)
	if t.batch != nil && t.batch.raw >= 0 {
		unix.Close(t.batch.raw)
	}
}

// do runs f on the thread, or here and now when the thread does not run, and waits for it. f must be short.
func (t *thread) do(f func()) {
	t.mu.Lock()
	if !t.running {
		defer t.mu.Unlock()
		t.now = max(time.Since(t.base), 1)
		f()
		return
	}
	done := make(chan struct{})
	t.queue = append(t.queue, func() { f(); close(done) })
	if t.asleep.Load() {
		t.wake() // with the lock: the thread cannot end before, and the eventfd's number be another file's
	}
	t.mu.Unlock()
	<-done
}

func (t *thread) wake() {
	one := [8]byte{0: 1}
	_, _ = unix.Write(t.wakeup, one[:]) // full: it is awake
}

// run relays until ctx ends and then closes every session.
func (t *thread) run(ctx context.Context) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { t.wake(); close(woken) })
	defer func() {
		if !stop() {
			<-woken // the eventfd is closed after this
		}
	}()
	t.mu.Lock()
	t.running = true
	t.mu.Unlock()
	var failure error
	for ctx.Err() == nil && failure == nil {
		t.commands()
		failure = t.turn()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running, t.ended = false, true
	for _, f := range t.queue {
		f()
	}
	t.queue = nil
	for l := range t.legs {
		l.session.shut(t)
	}
	return failure
}

func (t *thread) commands() {
	t.mu.Lock()
	queue := t.queue
	t.queue = nil
	t.mu.Unlock()
	for _, f := range queue {
		f()
	}
}

// turn waits for packets, relays them, and rests for what is left of the tick.
func (t *thread) turn() error {
	n, err := t.wait()
	if err != nil {
		return fmt.Errorf("media thread: %w", err)
	}
	t.now = time.Since(t.base)
	packets := 0
	left := t.backlog
	t.backlog, t.spare = t.spare[:0], left
	for _, index := range left {
		if in := t.rxSockets[index]; in != nil { // it may have been closed
			packets += t.drain(in)
		}
	}
	for i := range t.events[:n] {
		index := t.events[i].Fd
		if index < 0 {
			var b [8]byte
			_, _ = unix.Read(t.wakeup, b[:])
			continue
		}
		packets += t.drain(t.rxSockets[index])
	}
	if len(t.noisy) > 0 {
		t.sendNoise()
	}
	t.flush()
	if t.now-t.housekept >= housekeeping {
		t.housekeep()
		t.flush()
	}
	if t.busy = packets > 0; t.busy {
		t.napUntil(t.now + tick)
	}
	return nil
}

// napUntil sleeps without telling the Go scheduler. The scheduler would take the processor away every 10 ms from a goroutine that
// spends its life in short system calls, and look for the next chance every 20 us, which cost as much as relaying 10,000 packets a second.
// The program gives each thread a processor (GOMAXPROCS) of its own, see Threads, so no goroutine waits for it. A signal of the scheduler
// or the collector ends the sleep early.
func (t *thread) napUntil(end time.Duration) {
	d := end - time.Since(t.base)
	if d <= 0 {
		return
	}
	pause := unix.NsecToTimespec(int64(d))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
}

// wait returns how many of t.events are set.
func (t *thread) wait() (int, error) {
	if t.busy { // a loaded thread mostly finds packets: the scheduler need not hear of it
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(t.epoll), uintptr(unsafe.Pointer(&t.events[0])), uintptr(len(t.events)), 0, 0, 0)
		if errno == 0 && n > 0 {
			return int(n), nil
		}
	}
	t.asleep.Store(true)
	defer t.asleep.Store(false)
	t.mu.Lock()
	waiting := len(t.queue) > 0
	t.mu.Unlock()
	timeout := int(t.untilNoise() / time.Millisecond)
	if waiting || len(t.backlog) > 0 {
		timeout = 0
	}
	n, err := unix.EpollWait(t.epoll, t.events, timeout)
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, os.NewSyscallError("epoll_wait", err)
}

// flush sends what is queued; the slots are free again after it.
func (t *thread) flush() {
	t.batch.flush()
	t.input.next = 0
}

// send queues a packet that stands in the present slot.
func (t *thread) send(l *leg, which int, p []byte) {
	t.batch.add(l.local.ports[which], l.remote.dest[which], t.input.slot(t.slot), len(p))
}

// housekeep looks for sides that fell silent, reports that are due and keys that are used up.
func (t *thread) housekeep() {
	t.housekept = t.now
	t.checkShared()
	for l := range t.legs {
		t.checkSilence(l)
		t.checkFlood(l)
		t.reportIfDue(l)
		if l.keys.usedUp(l.out.stream.underKey) {
			t.notifyOnce(l, &l.keys.warned, KeyUsed)
		}
	}
}

// checkSilence tells the call of a side that has sent neither RTP nor RTCP for too long. A peer that suppresses silence still sends RTCP.
func (t *thread) checkSilence(l *leg) {
	if l.tooSilent(t.now) {
		t.notifyOnce(l, &l.in.silent, TimedOut)
	}
}

// notifyOnce hands an event to the relay's event goroutine, once.
func (t *thread) notifyOnce(l *leg, reported *bool, kind EventKind) {
	if !*reported {
		*reported = true
		t.relay.events.post(func() { l.session.hear(Event{Side: l.side, Kind: kind}) })
	}
}
