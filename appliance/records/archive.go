package records

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/cdr"
	"viaduct/appliance/config"
	"viaduct/appliance/flash"
	"viaduct/appliance/health"
	"viaduct/appliance/pair"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

const (
	most      = 256 << 20 // octets of all files; about half a million calls
	queued    = 1000      // records that wait for the writer
	mostHeld  = 1000      // records that wait for the flash
	retry     = 10 * time.Second
	lookAfter = time.Hour              // files that are too old
	together  = 100 * time.Millisecond // between two writings: what comes meanwhile waits for the second
	atOnce    = 100                    // records in one piece
	suffix    = ".jsonl"
)

// Options are what an Archive is given.
type Options struct {
	Dir    string // of the files
	Log    *slog.Logger
	Health *health.Tracker
	Sane   func() error                                  // why the clock cannot be believed; then no file is too old
	Client func() *http.Client                           // for one batch
	Syslog func(facility string, attributes []slog.Attr) // sends one message; must not block
	Pair   pair.Sender                                   // has the standby of a pair keep the records; nil: the box stands alone
}

// Archive takes the records of calls. It is safe for concurrent use.
type Archive struct {
	o        Options
	queue    chan status.Record
	settings atomic.Pointer[settings]
	changed  chan struct{} // one token: other settings
	readers  []*Reader     // the poster's and those of others
	poster   *poster
	told     told
	copies   copies
	overdue  bool // files may be too old, and the clock cannot be believed; write's goroutine only

	searches atomic.Int32 // that wait, and the one under way
	turn     sync.Mutex   // of that

	mu   sync.Mutex
	log  *flash.Log // nil while Run does not run
	held [][]byte   // lines that the flash has not taken
	lost int        // of those that found no room there
}

// settings are a configuration, and the name of the box.
type settings struct {
	config.CallRecords
	box string
}

// New returns an archive that takes records. They are written once it runs, and sent and deleted once it has a configuration.
func New(o Options) *Archive {
	if o.Syslog == nil {
		o.Syslog = func(string, []slog.Attr) {}
	}
	if o.Pair == nil {
		o.Pair = pair.Nobody{}
	}
	a := &Archive{o: o, told: told{to: o.Pair}, queue: make(chan status.Record, queued), changed: make(chan struct{}, 1)}
	a.poster = newPoster(o, &a.settings, a.Follow(cursorFile))
	a.poster.took = a.told.taken
	return a
}

// Apply takes a configuration, and the name of the box in it.
func (a *Archive) Apply(c config.CallRecords, box string) {
	s := &settings{CallRecords: c, box: box}
	if old := a.settings.Swap(s); old != nil && *old == *s {
		return
	}
	for _, tell := range []chan struct{}{a.changed, a.poster.changed} {
		select {
		case tell <- struct{}{}:
		default:
		}
	}
}

// Take takes the record of a call that has ended. It never waits.
func (a *Archive) Take(r status.Record) {
	select {
	case a.queue <- r:
	default:
		a.o.Health.Set(health.RecordsLost, health.Args{"why": "call records are lost: they come faster than the flash takes them"})
	}
}

// Run writes records until ctx ends and every record before that is written.
func (a *Archive) Run(ctx context.Context) error {
	log, err := a.open()
	if err != nil {
		return err
	}
	if err := flash.Sweep(a.o.Dir); err != nil {
		a.o.Log.Warn("call records not swept", "err", err)
	}
	defer a.o.Health.Clear(health.RecordsLost, "")
	a.mu.Lock()
	a.log = log
	a.mu.Unlock()
	for _, r := range a.readers {
		r.Open(log) // before anything is appended
		if r != a.poster.records {
			r.wake()
		}
	}
	a.poster.begin(log)
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		a.poster.run(ctx)
	}()
	a.write(ctx)
	<-posted
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = nil
	return log.Close()
}

// write writes what comes, and deletes what is too old, until ctx ends.
func (a *Archive) write(ctx context.Context) {
	again, look := time.NewTicker(retry), time.NewTicker(lookAfter)
	defer again.Stop()
	defer look.Stop()
	a.expire()
	queue, rested := a.queue, (<-chan time.Time)(nil)
	for {
		select {
		case r := <-queue:
			a.put(r)
			a.putAll()
			a.flush()
			queue, rested = nil, time.After(together)
		case <-rested:
			queue, rested = a.queue, nil
		case <-again.C:
			a.flush()
			if a.overdue {
				a.expire()
			}
		case <-look.C:
			a.expire()
		case <-a.changed:
			a.expire()
		case <-ctx.Done():
			a.putAll()
			a.flush()
			return
		}
	}
}

// putAll puts all records that wait.
func (a *Archive) putAll() {
	for len(a.queue) > 0 {
		a.put(<-a.queue)
	}
}

func (a *Archive) open() (*flash.Log, error) {
	log, err := flash.OpenLog(flash.LogOptions{Dir: a.o.Dir, Suffix: suffix, Perm: 0o600, MaxTotal: most})
	if err != nil {
		return nil, fmt.Errorf("open call records: %w", err)
	}
	return log, nil
}

// put has one record written by the next flush, and sends it to the syslog servers.
func (a *Archive) put(r status.Record) {
	if s := a.settings.Load(); s != nil && s.Syslog.Facility != "" {
		shown := r
		if s.Syslog.Masked {
			shown = cdr.Mask(r)
		}
		a.o.Syslog(s.Syslog.Facility, cdr.Attrs(shown))
	}
	line, err := json.Marshal(r)
	if err != nil {
		a.o.Log.Error("call record not written", "call", r.ID, "err", err)
		return
	}
	a.told.put(cdr.Key(r), line, a.posts())
	a.mu.Lock()
	a.held = append(a.held, line)
	a.mu.Unlock()
}

// flush writes what is held. While the flash takes nothing, the last mostHeld lines wait for it. A line that is written may be written
// again: Append also tells of lines before that did not get to the medium.
func (a *Archive) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	wrote := false
	for len(a.held) > 0 {
		n := min(len(a.held), atOnce)
		if err := a.log.Append(a.held[:n]...); err != nil {
			if over := len(a.held) - mostHeld; over > 0 {
				a.held, a.lost = a.held[over:], a.lost+over
			}
			why := fmt.Sprintf("call records are not written: %v; in memory: %s", err, plural.Of(len(a.held), "record"))
			if a.lost > 0 {
				why += fmt.Sprintf(", %d were lost", a.lost)
			}
			a.o.Health.Set(health.RecordsLost, health.Args{"why": why})
			return
		}
		a.held, wrote = a.held[n:], true
	}
	if wrote {
		a.held, a.lost = nil, 0
		a.o.Health.Clear(health.RecordsLost, "")
		for _, r := range a.readers {
			r.wake()
		}
	}
}
