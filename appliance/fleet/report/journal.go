package report

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
)

const (
	journalSize = 2 << 20 // octets on flash: some thousand alarms
	mostHeld    = 200     // alarms that wait for the flash
	mostRaised  = 1000    // alarms of which it is remembered that the hub knows them
	retry       = 10 * time.Second
	together    = 200 * time.Millisecond // after an event, for those that come with it: each writing is an fsync
	settled     = 2 * time.Minute        // after the start every alarm that is still so has been set again
	lookAgain   = 15 * time.Second       // for those whose delay is longer
	noteEvery   = 200                    // lines, until it is noted what is raised
)

// journal turns what happens to alarms into messages and keeps them on flash. It knows over a restart of which alarms the hub was told that they are
// raised: such an alarm is not told again when it is raised again, and is told to be cleared when it is not.
//
// An alarm that the hub knows from an earlier run is unsure until the box has raised it again. What is unsure, and not even pending two minutes after
// the start, is over.
type journal struct {
	o    Options
	dir  string
	sent *flash.Cursor
	more chan struct{} // one token: there is more to send

	// Of run's goroutine.
	epoch  string // the ids of this run begin with it
	number uint64 // of the last message
	raised map[key]fleet.Alarm
	unsure map[key]bool
	events *health.Events
	seen   uint64        // the number of the last event
	out    []fleet.Alarm // to be written
	lines  int           // since it was noted what is raised
	began  time.Time

	mu   sync.Mutex
	log  *flash.Log // nil: it could not be opened so far
	held []message  // what the flash has not taken
	shed bool       // some found no room there
	bad  bool       // the flash takes nothing, and the log says so
}

func newJournal(o Options, dir string) *journal {
	epoch := make([]byte, 6)
	rand.Read(epoch) // never fails
	return &journal{
		o: o, dir: dir, sent: flash.NewCursor(filepath.Join(dir, "sent")), more: make(chan struct{}, 1), epoch: hex.EncodeToString(epoch),
		raised: map[key]fleet.Alarm{}, unsure: map[key]bool{},
	}
}

// run writes what happens until ctx ends.
func (j *journal) run(ctx context.Context) {
	j.began = time.Now()
	j.open()
	defer j.close()
	for j.stand(); ctx.Err() == nil; {
		j.write()
		within, cancel := context.WithTimeout(ctx, j.due())
		e, err := j.events.Next(within)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err == nil:
			j.take(e)
			j.drain(ctx)
		case len(j.unsure) > 0:
			j.stand()
		}
	}
	j.write()
}

// due is how long to wait for events alone.
func (j *journal) due() time.Duration {
	j.mu.Lock()
	waits := len(j.held) > 0 || j.log == nil
	j.mu.Unlock()
	switch {
	case waits:
		return retry
	case len(j.unsure) > 0:
		return max(settled-time.Since(j.began), lookAgain)
	}
	return time.Hour
}

// drain takes the events that come soon after another.
func (j *journal) drain(ctx context.Context) {
	await(ctx, nil, nil, nil, together)
	none, cancel := context.WithCancel(ctx)
	cancel()
	for len(j.out) < mostHeld {
		e, err := j.events.Next(none) // those that are there
		if err != nil {
			return
		}
		j.take(e)
	}
}

// take takes an event. When some were missed, all are compared with how they stand.
func (j *journal) take(e health.Event) {
	if e.Number != j.seen+1 {
		j.stand()
		return
	}
	j.seen = e.Number
	a := shown(e.Alarm)
	a.Time = e.At
	switch e.What {
	case health.IsRaised:
		j.raise(a)
	case health.IsTold:
		j.tell(a, changed)
	case health.IsCleared:
		if _, known := j.raised[keyOf(a)]; known {
			j.tell(a, cleared)
		}
	}
}

// raise tells of an alarm that is raised, unless the hub knows it.
func (j *journal) raise(a fleet.Alarm) {
	before, known := j.raised[keyOf(a)]
	delete(j.unsure, keyOf(a))
	switch {
	case !known:
		j.tell(a, raised)
	case before.Text != a.Text:
		j.tell(a, changed)
	}
}

// tell has the hub told of an alarm.
func (j *journal) tell(a fleet.Alarm, what string) {
	j.number++
	a.ID, a.What = j.epoch+"-"+strconv.FormatUint(j.number, 10), what
	j.know(a)
	j.out = append(j.out, a)
}

// know notes what the hub learns from a message.
func (j *journal) know(a fleet.Alarm) {
	k := keyOf(a)
	if a.What == cleared {
		delete(j.raised, k)
		delete(j.unsure, k)
	} else if _, known := j.raised[k]; known || len(j.raised) < mostRaised {
		j.raised[k] = a
	}
}

// stand compares what the hub knows with how alarms stand, and goes on with the events after that.
func (j *journal) stand() {
	s := j.o.Health.Stand()
	j.events, j.seen = s.Events, s.Number
	so := map[key]bool{}
	for _, a := range s.Raised {
		so[keyOf(shown(a))] = true
		j.raise(shown(a))
	}
	for _, a := range s.Pending {
		if k := keyOf(shown(a)); j.unsure[k] {
			so[k] = true
		}
	}
	early := time.Since(j.began) < settled
	over := slices.SortedFunc(maps.Keys(j.raised), func(a, b key) int {
		return strings.Compare(a.alarm+" "+a.subject, b.alarm+" "+b.subject)
	})
	for _, k := range over {
		if a := j.raised[k]; !so[k] && !(early && j.unsure[k]) {
			a.Time = time.Now()
			j.tell(a, cleared)
		}
	}
}

// write puts on flash what is to be told, and has it sent. While the flash does not take it, it is sent from memory, and kept there as long as there
// is room.
func (j *journal) write() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range j.out {
		if text, err := body(a); err == nil { // but for a time beyond the year 9999
			j.held = append(j.held, message{id: a.ID, body: text})
		}
	}
	j.out = nil
	if j.log == nil {
		j.openLog()
	}
	if len(j.held) == 0 {
		return
	}
	wake(j.more)
	lines := make([][]byte, len(j.held))
	for n, m := range j.held {
		lines[n] = m.body
	}
	if j.log == nil || !j.wrote(j.log.Append(lines...)) {
		if over := len(j.held) - mostHeld; over > 0 {
			j.held, j.shed = j.held[over:], true
		}
		return
	}
	j.held, j.lines = nil, j.lines+len(lines)
	if j.lines >= noteEvery {
		j.note()
	}
}

// wrote logs that the flash takes nothing any more, and that it does again: it is tried every few seconds, for weeks if need be.
func (j *journal) wrote(err error) bool {
	switch {
	case err != nil && !j.bad:
		j.o.Log.Warn("journal of alarms for the hub not written", "err", err)
	case err == nil && j.bad:
		j.o.Log.Info("journal of alarms for the hub written again")
	}
	j.bad = err != nil
	return err == nil
}

// noted is what is noted of the journal, so that not all of it must be there to know what the hub knows.
type noted struct {
	At     flash.Position `json:"at"` // behind the lines that Raised stands for
	Raised []fleet.Alarm  `json:"raised"`
}

func (j *journal) file() string { return filepath.Join(j.dir, "raised") }

// note writes what is raised as the lines on flash have it.
func (j *journal) note() {
	at, err := j.log.End()
	n := noted{At: at, Raised: slices.Collect(maps.Values(j.raised))}
	text, failed := json.Marshal(n)
	if err = errors.Join(err, failed); err == nil {
		err = flash.Write(j.file(), text, 0o600)
	}
	if j.wrote(err) {
		j.lines = 0
	}
}

// open opens the journal, and reads what the hub knows.
func (j *journal) open() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.openLog()
}

// openLog opens the log unless it cannot be opened: then that is tried again.
func (j *journal) openLog() {
	log, err := flash.OpenLog(flash.LogOptions{Dir: j.dir, Suffix: ".jsonl", Perm: 0o600, MaxTotal: journalSize, SyncLines: 1})
	if err != nil {
		j.wrote(err)
		return
	}
	j.log = log
	j.sent.Open(log) // before anything is appended
	j.sent.Begin(flash.Position{})
	wake(j.more) // of an earlier run
	if err := flash.Sweep(j.dir); err != nil {
		j.o.Log.Warn("journal of alarms for the hub not swept", "err", err)
	}
	j.read()
}

// read reads of which alarms the hub was told. All of them are unsure.
func (j *journal) read() {
	var n noted
	text, err := os.ReadFile(j.file())
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err != nil {
		n = noted{}
		if !errors.Is(err, fs.ErrNotExist) {
			j.o.Log.Warn("what the hub knows of alarms not read", "err", err)
		}
	}
	before := j.raised
	j.raised = map[key]fleet.Alarm{}
	for _, a := range n.Raised {
		j.know(a)
	}
	for at := j.log.Settle(n.At); ; {
		entries, next, _, err := j.log.From(at, noteEvery, octets)
		for _, e := range entries {
			var a fleet.Alarm
			if json.Unmarshal(e.Line, &a) == nil && a.Alarm != "" {
				j.know(a)
			}
		}
		if len(entries) == 0 || err != nil && next == at {
			break
		}
		at = next
	}
	for k := range j.raised {
		j.unsure[k] = true
	}
	for k, a := range before { // told in this run, before the log could be opened
		j.raised[k] = a
		delete(j.unsure, k)
	}
}

// close notes what is raised, and closes the log.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.log == nil {
		return
	}
	if len(j.held) == 0 && j.lines > 0 {
		j.note()
	}
	if err := j.log.Close(); err != nil {
		j.wrote(err)
	}
}

// next returns the messages on flash, and behind them one that is in memory.
func (j *journal) next() (list []message, gone bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	list, gone, err = read(j.sent, j.message)
	if len(list) == 0 && len(j.held) > 0 {
		return slices.Clone(j.held[:min(len(j.held), atOnce)]), gone, nil
	}
	return list, gone, err
}

// message is what the hub gets of a line.
func (j *journal) message(line []byte) (m message, ok bool) {
	var a fleet.Alarm
	if json.Unmarshal(line, &a) != nil || a.ID == "" {
		return m, false
	}
	return message{id: a.ID, body: line}, true
}

// taken notes that the hub has a message.
func (j *journal) taken(m message) {
	if m.at != (flash.Position{}) {
		j.sent.Advance(m.at)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	n := slices.IndexFunc(j.held, func(h message) bool { return h.id == m.id })
	if j.held = slices.Delete(j.held, 0, n+1); len(j.held) == 0 { // -1: it is on flash by now
		j.shed = false
	}
}

func (j *journal) waiting() (octets int64, shed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range j.held {
		octets += int64(len(m.body))
	}
	return octets + j.sent.Behind(), j.shed
}

func (j *journal) limit() (over bool, err error) { return false, nil } // the log has its own

func (j *journal) fresh() <-chan struct{} { return j.more }

func (j *journal) cursor() *flash.Cursor { return j.sent }
