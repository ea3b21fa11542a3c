// Package audit keeps a trail of who did what to the box: logins, refused logins, bans, changes of the configuration, commands that change
// something, restarts.
//
// It owns the trail on flash, which is bounded, and what is left out of it when too much happens at once. It does not decide what belongs
// into the trail, nor who may read it. Secrets must not reach it. Note never waits; Run, one goroutine, writes.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// Options of a Trail.
type Options struct {
	Open func() (*flash.Log, error) // the trail on flash; it is closed at the end of Run
	Log  *slog.Logger               // gets each entry, too: syslog servers
	Fail func(error)                // the trail cannot be written (nil: it can again)
}

// Trail is the trail. It is safe for concurrent use.
type Trail struct {
	o Options

	mu      sync.Mutex
	waiting []status.Audit
	rates   map[status.AuditKind]*rate
	shed    map[shed]int
	some    chan struct{} // one token: something waits

	writing sync.Mutex // guards the rest
	log     *flash.Log
	recent  []status.Audit // while there is no log
}

// shed is what the entries have in common that are left out.
type shed struct {
	what          status.AuditKind
	account, from string
}

const (
	// maxWaiting, maxShed and maxRecent are bounds in memory.
	maxWaiting, maxShed, maxRecent = 2000, 8, 500
	// maxText is the length of each text of an entry.
	maxText = 512
	// calm is how long the trail waits until it tells what was left out,
	calm = 2 * time.Second
	// and sumEvery how long after it has told so before: somebody who guesses now and then would fill the trail with sums.
	sumEvery = 10 * time.Minute
)

// rate is how many entries of a kind are kept: so many at once, and then one in each interval. A paste of 20,000 lines, or somebody who
// guesses passwords, must not drive everything else out of the trail.
type rate struct {
	burst int
	every time.Duration

	left int
	at   time.Time
}

func rates() map[status.AuditKind]*rate {
	return map[status.AuditKind]*rate{
		status.AuditConfiguration: {burst: 500, every: 200 * time.Millisecond, left: 500},
		status.AuditRefused:       {burst: 50, every: time.Minute, left: 50},
		status.AuditBanned:        {burst: 50, every: time.Minute, left: 50},
	}
}

// usual is the rate of all other kinds.
func usual() *rate { return &rate{burst: 200, every: time.Second, left: 200} }

func (r *rate) allows(now time.Time) bool {
	if n := int(now.Sub(r.at) / r.every); n > 0 {
		r.left, r.at = min(r.burst, r.left+n), now
	}
	if r.left == 0 {
		return false
	}
	r.left--
	return true
}

// New returns a Trail. One that cannot be kept on flash is kept in memory, and Fail is told.
func New(o Options) *Trail {
	t := &Trail{o: o, rates: rates(), shed: map[shed]int{}, some: make(chan struct{}, 1)}
	var err error
	if t.log, err = o.Open(); err != nil {
		t.log = nil
		o.Fail(err)
	}
	return t
}

// Note adds an entry about e.What, by e.Account, from e.From. more fills the rest in; it is not called when the entry is left out.
func (t *Trail) Note(e status.Audit, more func(*status.Audit)) {
	if !t.room(e) {
		return
	}
	e.Time = time.Now().UTC()
	if more != nil {
		more(&e)
	}
	for _, text := range []*string{&e.Account, &e.From, &e.Mode, &e.Line, &e.Error} {
		*text = printable.Short(*text, maxText)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, e)
	t.wake()
}

// room reports whether an entry is kept, and counts one that is not.
func (t *Trail) room(e status.Audit) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rates[e.What]
	if r == nil {
		r = usual()
		t.rates[e.What] = r
	}
	if r.allows(time.Now()) && len(t.waiting) < maxWaiting {
		return true
	}
	key := shed{e.What, printable.Text(e.Account), printable.Text(e.From)}
	if _, known := t.shed[key]; !known && len(t.shed) >= maxShed {
		key = shed{what: e.What}
	}
	t.shed[key]++
	t.wake()
	return false
}

func (t *Trail) wake() {
	select {
	case t.some <- struct{}{}:
	default:
	}
}

// Run writes entries until ctx ends.
func (t *Trail) Run(ctx context.Context) error {
	var quiet <-chan time.Time
	var summed time.Time
	for {
		select {
		case <-ctx.Done():
			t.sum()
			t.flush()
			t.writing.Lock()
			defer t.writing.Unlock()
			if t.log == nil {
				return nil
			}
			return t.log.Close()
		case <-t.some:
			t.flush()
			quiet = time.After(max(calm, time.Until(summed.Add(sumEvery))))
		case <-quiet:
			if t.sum() {
				summed = time.Now()
			}
			t.flush()
		}
	}
}

// sum makes entries of what was left out. It reports whether that was anything.
func (t *Trail) sum() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.shed) == 0 {
		return false
	}
	for key, n := range t.shed {
		t.waiting = append(t.waiting, status.Audit{Time: time.Now().UTC(), What: key.what, Account: key.account, From: key.from,
			Line: fmt.Sprintf("... and %d more, which are not kept: too many came at once", n)})
	}
	clear(t.shed)
	return true
}

// flush writes what waits.
func (t *Trail) flush() {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	list := t.waiting
	t.waiting = nil
	t.mu.Unlock()
	for _, e := range list {
		t.tell(e)
		if t.log == nil {
			t.recent = append(t.recent[max(0, len(t.recent)-maxRecent+1):], e)
			continue
		}
		line, err := json.Marshal(e)
		if err == nil {
			err = t.log.Append(line)
		}
		t.o.Fail(err)
	}
}

// tell gives an entry to the log.
func (t *Trail) tell(e status.Audit) {
	attrs := []slog.Attr{slog.String("account", e.Account), slog.String("from", e.From)}
	for _, a := range []slog.Attr{slog.String("mode", e.Mode), slog.String("line", e.Line), slog.String("err", e.Error)} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	t.o.Log.LogAttrs(context.Background(), slog.LevelInfo, string(e.What), attrs...)
}

// Last returns the last n entries that are wanted, oldest first.
func (t *Trail) Last(n int, wanted func(status.Audit) bool) ([]status.Audit, error) {
	t.flush()
	t.writing.Lock()
	defer t.writing.Unlock()
	all := t.recent
	if t.log != nil {
		lines, err := t.log.Last(math.MaxInt)
		if err != nil {
			return nil, fmt.Errorf("read the trail: %w", err)
		}
		for _, line := range lines {
			var e status.Audit
			if json.Unmarshal(line, &e) == nil { // else a power cut tore it
				all = append(all, e)
			}
		}
	}
	var list []status.Audit
	for _, e := range all {
		if wanted(e) {
			list = append(list, e)
		}
	}
	return list[max(0, len(list)-n):], nil
}
