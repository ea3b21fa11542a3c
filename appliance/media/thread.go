package media

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
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

	number  int       // among the relay's
	sockets sockets   // that it reads
	table   portTable // of the ports that share a socket
	legs    map[*leg]struct{}
	crypt   *srtp.Crypter
	empty   inbound
	batch   *batch
	direct  direct
	input   *input
	slot    int    // of the packet that is being relayed
	busy    bool   // the last turn had packets
	noisy   []*leg // sides that hear a sound of ours

	processor processor
	housekept time.Duration
	load      atomic.Int32 // sessions
	commands  commands
}

func newThread(r *Relay, number int) (*thread, error) {
	t := &thread{relay: r, number: number, log: r.options.Log, base: time.Now(), legs: map[*leg]struct{}{}, crypt: srtp.NewCrypter(),
		sockets: sockets{epoll: -1, events: make([]unix.EpollEvent, 1024)}, commands: commands{wakeup: -1}, direct: direct{socket: -1}}
	t.now = 1 // zero means never
	var err error
	if t.sockets.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("media thread: %w", os.NewSyscallError("epoll_create", err))
	}
	if t.commands.wakeup, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		unix.Close(t.sockets.epoll)
		return nil, fmt.Errorf("media thread: %w", os.NewSyscallError("eventfd", err))
	}
	if err := t.expect(t.commands.wakeup, -1); err != nil {
		t.closeFiles()
		return nil, fmt.Errorf("media thread: %w", err)
	}
	t.input = newInput()
	t.batch = newBatch(r.options.Term)
	return t, nil
}

func (t *thread) closeFiles() {
	unix.Close(t.sockets.epoll)
	unix.Close(t.commands.wakeup)
	if t.batch != nil && t.batch.raw >= 0 {
		unix.Close(t.batch.raw)
	}
	t.direct.close()
}

// run relays until ctx ends and then closes every session.
func (t *thread) run(ctx context.Context) error {
	defer t.favour()()
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { t.commands.wake(); close(woken) })
	defer func() {
		if !stop() {
			<-woken // the eventfd is closed after this
		}
	}()
	t.commands.begin()
	var failure error
	for ctx.Err() == nil && failure == nil {
		t.commands.run()
		failure = t.turn()
	}
	t.commands.end(func() {
		for l := range t.legs {
			l.session.shut(t)
		}
	})
	t.spare()
	return failure
}

// favoured is the niceness of a relay thread. On its own processor it gets nine tenths of the time when both need all of it: signalling goes on.
const favoured = -10

// slice is the time that a relay thread asks the kernel for when it wakes: the least that can be asked for. Since Linux 6.12 a thread that
// wakes takes the processor at once only from those that ask for more, however nice they are; with the same slice as theirs it waited until
// theirs was over. Older kernels take the word and do nothing with it.
const slice = 100 * time.Microsecond

// favour gives the thread precedence over all others of the process, so that a packet does not wait for a handshake of TLS or for the
// collector. The goroutine keeps its thread until what is returned gives the precedence up.
func (t *thread) favour() (end func()) {
	runtime.LockOSThread()
	id := unix.Gettid()
	before, err := unix.Getpriority(unix.PRIO_PROCESS, id)
	if err == nil {
		err = unix.Setpriority(unix.PRIO_PROCESS, id, favoured)
	}
	if err != nil {
		t.log.Warn("media has no precedence over signalling", "err", err)
		return runtime.UnlockOSThread
	}
	own := unix.SchedAttr{Size: unix.SizeofSchedAttr, Nice: favoured, Runtime: uint64(slice)}
	if err := errors.Join(unix.SchedSetAttr(0, &own, 0), unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)); err != nil {
		t.log.Warn("media wakes later than it could", "err", err)
	}
	return func() {
		usual := unix.SchedAttr{Size: unix.SizeofSchedAttr, Nice: int32(20 - before)} // the kernel tells 20 less the niceness
		if errors.Join(unix.SchedSetAttr(0, &usual, 0), unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)) == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with its goroutine
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
	left := t.sockets.backlog
	t.sockets.backlog, t.sockets.spare = t.sockets.spare[:0], left
	for _, index := range left {
		if in := t.sockets.list[index]; in != nil { // it may have been closed
			packets += t.drain(in)
		}
	}
	for i := range t.sockets.events[:n] {
		index := t.sockets.events[i].Fd
		if index < 0 {
			var b [8]byte
			_, _ = unix.Read(t.commands.wakeup, b[:])
			continue
		}
		if in := t.sockets.list[index]; in != nil { // it may have been closed since
			packets += t.drain(in)
		}
	}
	if len(t.noisy) > 0 {
		t.sendNoise()
	}
	t.flush()
	t.askRoutes()
	if t.now-t.housekept >= housekeeping {
		t.housekeep()
		t.flush()
	}
	if t.busy = packets > 0 && t.alone(); t.busy {
		t.napUntil(t.now + tick)
	}
	return nil
}

// napUntil sleeps without telling the Go scheduler. The scheduler would take the processor away every 10 ms from a goroutine that
// spends its life in short system calls, and look for the next chance every 20 us, which cost as much as relaying 10,000 packets a second.
// A thread that naps has a processor (GOMAXPROCS) of its own, see alone, so no goroutine waits for it. A signal of the scheduler
// or the collector ends the sleep early.
func (t *thread) napUntil(end time.Duration) {
	d := end - time.Since(t.base)
	if d <= 0 {
		return
	}
	pause := unix.NsecToTimespec(int64(d))
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
}

// wait returns how many of t.sockets.events are set.
func (t *thread) wait() (int, error) {
	if t.busy { // a loaded thread mostly finds packets: the scheduler need not hear of it
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(t.sockets.epoll), uintptr(unsafe.Pointer(&t.sockets.events[0])), uintptr(len(t.sockets.events)), 0, 0, 0)
		if errno == 0 && n > 0 {
			return int(n), nil
		}
	}
	t.commands.asleep.Store(true)
	defer t.commands.asleep.Store(false)
	timeout := int(t.untilNoise() / time.Millisecond)
	if t.commands.waiting() || len(t.sockets.backlog) > 0 {
		timeout = 0
	}
	t.commands.held.Unlock()
	n, err := unix.EpollWait(t.sockets.epoll, t.sockets.events, timeout)
	t.commands.held.Lock()
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, os.NewSyscallError("epoll_wait", err)
}

// flush sends the queued packets and frees their slots.
func (t *thread) flush() {
	t.batch.flush()
	t.input.next = 0
}

// slotOfOurs makes a free slot the present one, for a packet that no peer has sent, and returns the room for it.
func (t *thread) slotOfOurs() []byte {
	if t.input.next == slots {
		t.flush()
	}
	t.slot = t.input.next
	t.input.next++
	return t.input.slot(t.slot)[headroom:]
}

// send queues a packet that stands in the present slot.
func (t *thread) send(l *leg, which int, p []byte) {
	from, to := l.local.ports[which], l.remote.dest[which]
	t.batch.add(from, to, t.routeOf(from, to), t.input.slot(t.slot), len(p))
}

// housekeep looks for sides that fell silent, reports that are due and keys that are used up.
func (t *thread) housekeep() {
	t.housekept = t.now
	if t.now-t.processor.used >= spareAfter {
		t.spare()
	}
	t.checkShared()
	t.forgetRoutes()
	if !t.relay.options.Term.Runs() {
		return // another box has the calls
	}
	for l := range t.legs {
		l.out.stream.measure()
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

// spareAfter is how long a thread keeps its processor when no packets come.
const spareAfter = 10 * time.Second

// processor is one that the Go runtime has (GOMAXPROCS) for a thread alone, as long as it relays: it naps, and asks for packets, without
// telling the scheduler, so goroutines would wait for it. On a box with one processor of its own, two of the runtime's cost signalling a
// fifth more, so the thread has none while it only sleeps.
type processor struct {
	asked bool // these two are the thread's
	used  time.Duration
	given atomic.Bool
}

// alone reports whether the thread has a processor for itself, and asks for one. The answer takes as long as a collection that is under way.
func (t *thread) alone() bool {
	p := &t.processor
	if p.used = t.now; !p.asked {
		p.asked = true
		t.relay.events.post(func() {
			addProcessors(1)
			p.given.Store(true)
		})
	}
	return p.given.Load()
}

// spare gives the thread's processor back.
func (t *thread) spare() {
	if p := &t.processor; p.asked {
		p.asked = false
		t.relay.events.post(func() {
			p.given.Store(false)
			addProcessors(-1)
		})
	}
}

// processors guards the number of the runtime's.
var processors sync.Mutex

func addProcessors(more int) {
	processors.Lock()
	defer processors.Unlock()
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + more)
}
