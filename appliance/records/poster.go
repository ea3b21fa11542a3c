package records

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/flash"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// state is what the poster does.
//
//	off ------- a URL is configured --> sending
//	sending --- there is nothing -----> idle
//	        --- the server took it ---> sending, or gathering when there was no more
//	        --- anything else --------> pausing
//	idle ------ a record is written --> gathering
//	gathering - gatherTime has passed > sending
//	pausing --- the pause is over ----> sending
//
// From each of them it goes to off when the URL is taken away, and to sending when it changes.
type state uint8

const (
	off state = iota
	idle
	gathering
	sending
	pausing
)

const (
	gatherTime = 5 * time.Second // a batch is as many as come in this time,
	batchLines = 500             // and no more than this,
	batchSize  = 512 << 10       // and this, in octets
	firstPause = time.Second     // after a failure, doubled with each
	lastPause  = 5 * time.Minute
	longest    = time.Hour       // that a server may tell us to wait
	saveEvery  = 5 * time.Second // the position, on flash
	cursorFile = "posted"
)

// poster sends the records to a web server.
type poster struct {
	o        Options
	settings *atomic.Pointer[settings]
	records  *Reader       // behind what has been sent
	changed  chan struct{} // one token: other settings
	gather   time.Duration
	hold     atomic.Bool // nothing is sent now
	took     func(batch) // is told of each batch that the server has taken

	// Of the poster's goroutine.
	log   *flash.Log
	state state
	size  int // records in the next batch: 1 after a refusal, doubled with each batch that is taken
	fails int // in a row

	mu       sync.Mutex
	failing  string    // why nothing is sent; "": it is
	since    time.Time // of failing
	deleted  bool      // records were deleted before they were sent, since the server has taken all
	accepted time.Time // when the server took a batch last
	refused  uint64    // records that the server alone has refused
	told     time.Time // when a refused record was logged last
}

func newPoster(o Options, s *atomic.Pointer[settings], r *Reader) *poster {
	return &poster{o: o, settings: s, records: r, changed: make(chan struct{}, 1), gather: gatherTime, size: batchLines}
}

// begin prepares a run.
func (p *poster) begin(log *flash.Log) {
	p.log, p.state, p.fails, p.size = log, off, 0, batchLines
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// run sends what there is until ctx ends.
func (p *poster) run(ctx context.Context) {
	defer p.o.Health.Clear(health.RecordsWait, "")
	defer p.save()
	for pause := time.Duration(0); ; {
		fresh := p.records.Fresh()
		if p.state != idle {
			fresh = nil // it is read in its turn
		}
		timer := time.NewTimer(pause)
		if p.state == off || p.state == idle && !p.records.Unsaved() {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-p.changed:
			p.fails = 0
			pause = p.step(ctx)
		case <-fresh:
			p.state, pause = gathering, p.gather
		case <-timer.C:
			if p.state == idle {
				p.save()
				continue
			}
			pause = p.step(ctx)
		}
		timer.Stop()
		p.note(p.records.SaveEvery(saveEvery))
	}
}

// step sends a batch, and returns how long to wait before the next.
func (p *poster) step(ctx context.Context) time.Duration {
	s := p.settings.Load()
	switch {
	case s == nil:
		return 0 // it is not known yet what is configured
	case p.hold.Load():
		p.well(off)
		return 0
	case s.Post.URL == "":
		p.stop()
		return 0
	}
	entries, next, gone, err := p.records.Next(p.size, batchSize)
	if gone {
		p.mu.Lock()
		p.deleted = true
		p.mu.Unlock()
	}
	if err != nil && len(entries) == 0 {
		return p.fail(s, err.Error(), 0)
	}
	p.state = sending
	b := newBatch(s, entries)
	if len(b.entries) == 0 {
		p.records.Advance(next)
		if len(entries) > 0 {
			return 0 // damaged lines
		}
		p.well(idle)
		return saveEvery
	}
	all := len(entries) < p.size && b.octets < batchSize
	switch r := p.send(ctx, s, b); {
	case ctx.Err() != nil:
		return 0
	case r.taken:
		p.accept(b, next)
		p.size = min(2*p.size, batchLines)
		if all {
			p.well(gathering)
			return p.gather
		}
		return 0
	default:
		return p.judge(ctx, s, b, r)
	}
}

// judge says what follows from a batch that was not taken. One record may be to blame: then the next batch has one alone.
func (p *poster) judge(ctx context.Context, s *settings, b batch, r result) time.Duration {
	const patience, patienceAlone = 3, 6 // failures
	alone := len(b.entries) == 1
	switch {
	case r.refused && !alone:
		p.size = 1
		return 0
	case r.broken && !alone && p.fails+1 >= patience:
		p.size = 1
	case alone && (r.refused || r.broken && p.fails+1 >= patienceAlone):
		if p.sift(ctx, s, b) {
			return 0
		}
	}
	return p.fail(s, r.why, r.after)
}

// sift finds out whether the server refuses one record, or all: it is given the next ones, each alone. When it takes one, those before
// it are left out.
func (p *poster) sift(ctx context.Context, s *settings, first batch) bool {
	const reach = 8
	at := first.entries[0].At
	for passed := []string{first.ids[0]}; len(passed) <= reach; {
		entries, next, _, err := p.log.From(at, 1, batchSize)
		if err != nil || len(entries) == 0 {
			return false
		}
		at = next
		b := newBatch(s, entries)
		if len(b.entries) == 0 {
			continue
		}
		if r := p.send(ctx, s, b); r.taken {
			p.accept(b, next)
			p.passOver(passed)
			return true
		} else if !r.refused && !r.broken {
			return false
		}
		passed = append(passed, b.ids[0])
	}
	return false
}

// passOver counts records that the server refuses, and logs one an hour.
func (p *poster) passOver(ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused += uint64(len(ids))
	if time.Since(p.told) >= time.Hour {
		p.told = time.Now()
		p.o.Log.Warn("call record refused by the web server, and left out", "record", ids[0], "refused", p.refused)
	}
}

// accept notes that the server has taken everything up to a position.
func (p *poster) accept(b batch, to flash.Position) {
	p.took(b)
	p.records.Advance(to)
	p.fails = 0
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted = time.Now()
}

// well notes that everything has been sent.
func (p *poster) well(then state) {
	p.state, p.fails = then, 0
	p.mu.Lock()
	p.failing, p.deleted = "", false
	p.mu.Unlock()
	p.o.Health.Clear(health.RecordsWait, "")
}

// fail notes a failure, and returns how long to wait.
func (p *poster) fail(s *settings, why string, after time.Duration) time.Duration {
	p.state = pausing
	pause := lastPause
	if p.fails < 9 {
		pause = min(firstPause<<p.fails, lastPause)
	}
	p.fails++
	p.mu.Lock()
	if p.failing == "" {
		p.since = time.Now()
	}
	p.failing = why
	shed := ""
	if p.deleted {
		shed = ". The oldest have been deleted unsent"
	}
	p.mu.Unlock()
	p.o.Health.Set(health.RecordsWait, health.Args{"server": shown(s.Post.URL), "why": why, "shed": shed})
	return max(pause, min(after, longest))
}

// stop ends the sending: what was sent is of no meaning for another server later.
func (p *poster) stop() {
	p.well(off)
	if !p.records.Begun() {
		return
	}
	if err := p.records.Stop(); err != nil {
		p.o.Log.Warn("position of the sent call records not deleted", "err", err)
	}
}

// save puts the position on flash.
func (p *poster) save() { p.note(p.records.Save()) }

// note logs that the position was not saved.
func (p *poster) note(err error) {
	if err != nil {
		p.o.Log.Debug("position of the sent call records not saved", "err", err)
	}
}

// status describes the sending.
func (p *poster) status() *status.RecordPost {
	s, waiting := p.settings.Load(), p.records.Behind()
	p.mu.Lock()
	defer p.mu.Unlock()
	st := &status.RecordPost{
		URL: shown(s.Post.URL), Waiting: waiting, Failing: p.failing, Accepted: p.accepted, Refused: p.refused, Deleted: p.deleted,
	}
	if p.failing != "" {
		st.Since = p.since
	}
	return st
}
