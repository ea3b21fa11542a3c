// Package duty has the box do its duty in a pair: it puts together what the box hears of the other one, has the election decide, and has the box do what
// follows.
//
// It owns the loop that decides in time, the order of what happens when the box becomes active and when it is not active any more, what the box remembers
// of its pair on flash, the alarms of the pair and its status. It does not own the rules (package election), the packets and addresses (package vrrp), the
// path between the boxes (package link), nor calls and gateways: those are behind Box.
//
// Order. To take over: the role is decided and said, the term runs, Box.Await, addresses are in the kernel, Box.TakeOver, addresses are announced. To hand
// over: Box.HandOver, all of the table has arrived, the term ends, addresses are gone, the box says that it yields. To give
// up: the term ends, addresses are gone, Box.Drop. The loop never waits for any of that.
//
// Goroutines: Run and that of the link; while there is a pair also the loop, the hands that call Box, the clerk for what may be slow, and those of the
// router. Run waits for all.
package duty

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/pair/link"
	"viaduct/appliance/pair/vrrp"
	"viaduct/appliance/status"
)

// Box is what the box does on duty's word. Its methods are called one at a time, each on the same goroutine.
type Box interface {
	// Await has the box open its ports before it has the addresses: TakeOver follows. It must be quick, and does nothing at a box that acts already.
	Await()
	// TakeOver has the box act for the pair. It has the addresses. After HandOver, and for a box that acts already, it says that the box goes on as before.
	// ctx ends when the box is not active any more.
	TakeOver(ctx context.Context, why string) error
	// HandOver gets calls ready for the other box, until ctx ends at the latest. After an error of a planned one the box stays active, and TakeOver follows.
	HandOver(ctx context.Context) error
	// Drop has the box forget all that it did for the pair, silently: the other box has it, or will. The term is over.
	Drop(why string)
}

// Options are what a Duty is given for good.
type Options struct {
	Log    *slog.Logger
	Health *health.Tracker
	Dir    string     // of what the box remembers of its pair; it is made when there is something
	Term   *pair.Term // by which the box acts
	Box    Box
	Device func(*config.Config, *config.PairInterface) string // of the kernel, at which the interface is; "": none
	Facts  func() Facts                                       // of the box; it may be slow
	// Linked is told that the link, or what of files came by it, is another one, and Noted the newest note of the other box. Both must be quick; nil: nobody
	// asks.
	Linked func()
	Noted  func(note []byte)
	// Changed is told that Acts or Place says something else. It must be quick.
	Changed func()
}

// Facts are what the box tells the other one of itself.
type Facts struct {
	Serial, Release string
	Calls           int
	Lines           int               // of the configuration
	Full            bool              // it has telephony
	Priority        uint8             // by health: 1 to 254; 0 is that of a box that is well
	Unready         string            // why the box could not take over yet although it has the table, as the end of a sentence: files are not applied
	Sums            map[string]string // of what both boxes should have alike: pair.Word.Sums
}

// Duty is the box in its pair. It is safe for concurrent use.
type Duty struct {
	o    Options
	link path
	way  *link.Link // the same, when it is no test
	open func(vrrp.Options) router
	keep keep
	acts atomic.Bool

	applying sync.Mutex // one Apply, start or end of Run at a time

	mu   sync.Mutex
	cfg  *config.Config
	key  *link.Key
	now  standing
	run  context.Context // of Run; nil: it does not run
	work *work           // nil: there is no pair, or Run does not run
	past []status.PairRoleChanged
}

// path is package link, and router package vrrp, as far as they are used here.
type path interface {
	Run(ctx context.Context) error
	Apply(link.Settings)
	Say(pair.Word)
	Lead()
	Follow()
	Flush(ctx context.Context) error
	Sender() pair.Sender
	Kept(pair.Kind) []pair.Kept
	State() link.State
}

type router interface {
	Run(ctx context.Context)
	Advertise(priority uint8) error
	Hold(ctx context.Context) error
	Release(ctx context.Context) error
	Announce(ctx context.Context) error
	Leave(ctx context.Context) error
	State() []vrrp.State
}

// place is how the box stands to pairs.
type place uint8

const (
	alone      place = iota // no `redundancy`: the box has all addresses
	shut                    // `shutdown`: it is what it was
	incomplete              // something is missing: as alone, with an alarm
	out                     // the pair is complete, and the box is neither of its two: it has no address of the pair
	paired
)

// standing is how the box stands in a configuration.
type standing struct {
	place place
	box   uint8
	why   string // it is incomplete, or out
	told  bool   // there was a configuration
}

// New makes a Duty that does nothing yet.
func New(o Options) *Duty {
	d := with(o)
	d.way = link.New(link.Options{Log: o.Log, Health: o.Health, Heard: d.heard, Noted: o.Noted, Changed: func() {
		d.nudge()
		if o.Linked != nil {
			o.Linked()
		}
	}})
	d.link = d.way
	d.open = func(o vrrp.Options) router { return vrrp.New(o) }
	return d
}

func with(o Options) *Duty {
	d := &Duty{o: o, keep: keep{file: filepath.Join(o.Dir, "reign"), log: o.Log}}
	d.acts.Store(true)
	return d
}

// Acts reports whether the box has the pair's addresses and serves with them. A box that stands alone always does.
func (d *Duty) Acts() bool { return d.acts.Load() }

// Place tells which box of a pair this one is, 0 for neither, and whether nobody has the pair's addresses here.
func (d *Duty) Place() (box uint8, none bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now.box, d.now.place == out || (d.now.place == shut || d.now.place == incomplete) && !d.acts.Load()
}

// Link is the path between the boxes.
func (d *Duty) Link() *link.Link { return d.way }

// Copies says why nothing is to be copied from the other box; nil: it may be.
func (d *Duty) Copies() error {
	w := d.worker()
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.copies()
}

// copies is Copies. The lock is held.
func (w *work) copies() error {
	switch {
	case w.e.Copies():
		return nil
	case w.knows:
		return errBlank
	}
	return errOwn
}

var (
	errBlank = errors.New("the other box has never had what this pair has, and nothing is copied from it")
	errOwn   = errors.New("this box has gateways of its own and has never been in this pair, so nothing is copied from the other one: " +
		"enter `configure` and `no context sip-gateway NAME` for each gateway at the box whose configuration is to go, and it takes that of the other one")
)

// Sender is where engines put what the standby is to keep.
func (d *Duty) Sender() pair.Sender { return d.link.Sender() }

// Kept is what the box has kept of a kind, in Box.TakeOver.
func (d *Duty) Kept(kind pair.Kind) []pair.Kept { return d.link.Kept(kind) }

// Key is by what the other box knows this one: see config.PairBox. It is made when there is none.
func (d *Duty) Key() (string, error) {
	k, err := d.ensureKey()
	if err != nil {
		return "", err
	}
	return k.Hash(), nil
}

func (d *Duty) ensureKey() (*link.Key, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key != nil {
		return d.key, nil
	}
	k, err := link.EnsureKey(filepath.Join(d.o.Dir, "key.pem"))
	if err == nil {
		d.key = k
	}
	return k, err
}

// Switch hands over to the other box, and waits until that is active. The error is a sentence.
func (d *Duty) Switch(ctx context.Context) error {
	w := d.worker()
	if w == nil {
		return errors.New("this box is not one of a pair")
	}
	return w.handTo(ctx)
}

func (d *Duty) worker() *work {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.work
}

func (d *Duty) standing() standing {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// heard and nudge are called by the link.
func (d *Duty) heard(word pair.Word) {
	if w := d.worker(); w != nil {
		w.word(word)
	}
}

func (d *Duty) nudge() {
	if w := d.worker(); w != nil {
		signal(w.nudge)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run has the box do its duty until ctx ends. A box that is active then gives up: who wants calls to survive switches before.
func (d *Duty) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	linked, unlink := context.WithCancel(context.WithoutCancel(ctx))
	defer unlink()
	failed := make(chan error, 1)
	running.Go(func() { failed <- d.link.Run(linked) })
	d.applying.Lock()
	d.mu.Lock()
	d.run = ctx
	d.mu.Unlock()
	d.start(false)
	d.applying.Unlock()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	d.applying.Lock()
	defer d.applying.Unlock()
	d.stop(giveUp)
	d.mu.Lock()
	d.run = nil
	d.mu.Unlock()
	return err
}

// record keeps that the role has changed.
func (d *Duty) record(role pair.Role, why string, calls int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.past = append([]status.PairRoleChanged{{At: time.Now(), Role: role.String(), Why: why, Calls: calls}}, d.past[:min(len(d.past), maxPast-1)]...)
}

// counted notes with how many calls the box has taken over last.
func (d *Duty) counted(calls int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.past) > 0 && d.past[0].Role == pair.Active.String() {
		d.past[0].Calls = calls
	}
}

const maxPast = 20
