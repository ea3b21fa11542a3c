package siptx

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/siptransport"
	"viaduct/appliance/source"
)

const (
	maxLingering    = 16 << 20 // octets of what lingers on a gateway
	maxLingeringOne = 8 << 20  // octets of it that are of one source
	lingeringItself = 512      // octets that an entry takes beside its texts
)

// Finished is what is left of a server transaction after its final response: its key and that response, for a request that comes
// again (RFC 3261 17.2, RFC 6026). The request and the leg are let go of.
type Finished struct {
	key, merge string
	ToTag      string // of an INVITE: a CANCEL that comes too late gets it
	From       siptransport.Arrival
	back       siptransport.Back
	m          []byte // nil: what comes again is absorbed
	due        time.Time
	release    func()

	mu       sync.Mutex
	unacked  bool          // a 3xx to 6xx to an INVITE: repeated, over UDP, until its ACK comes
	interval time.Duration // between repetitions
	retry    *time.Timer

	all, own *list.Element // its places in lingering; nil: it is gone
}

// lingering are the finished transactions of a gateway. What they take is bounded, whatever peers send: a source has a part of the
// room at most, and the oldest gives way. The lock of the transactions guards all of it.
type lingering struct {
	byKey    map[string]*Finished
	all      *list.List // in the order of their ends
	bySource map[netip.Addr]*lingeringOf
	octets   int
	sweep    *time.Timer
}

// lingeringOf is the part of one source.
type lingeringOf struct {
	list   *list.List
	octets int
}

func newLingering() lingering {
	return lingering{byKey: map[string]*Finished{}, all: list.New(), bySource: map[netip.Addr]*lingeringOf{}}
}

func (f *Finished) octets() int { return len(f.key) + len(f.merge) + len(f.m) + lingeringItself }

// finish lets go of a server transaction and keeps what a retransmission needs. m is nil where it is only to be absorbed.
func (t *Table) finish(tx *Server, m []byte, unacked bool) {
	f := &Finished{key: tx.Key, merge: tx.merge, From: siptransport.Arrival{Flow: tx.From.Flow, Source: tx.From.Source}, back: tx.back, m: m, due: time.Now().Add(Timeout),
		release: tx.release, unacked: unacked}
	if tx.Invite {
		f.ToTag = tx.ToTag
	}
	if unacked && !tx.From.Flow.Reliable() {
		f.mu.Lock()
		f.interval = T1
		f.retry = time.AfterFunc(T1, f.resend)
		f.mu.Unlock()
	}
	t.mu.Lock()
	if t.servers[tx.Key] == tx {
		delete(t.servers, tx.Key)
	}
	gone := t.lingering.add(f)
	for _, f := range gone {
		t.forgetMerge(f.merge)
	}
	if t.lingering.sweep == nil {
		t.lingering.sweep = time.AfterFunc(Timeout, t.sweepLingering)
	}
	t.mu.Unlock()
	end(gone)
}

// sweepLingering drops what has lingered long enough.
func (t *Table) sweepLingering() {
	now := time.Now()
	t.mu.Lock()
	l := &t.lingering
	var gone []*Finished
	for e := l.all.Front(); e != nil; e = l.all.Front() {
		f := e.Value.(*Finished)
		if f.due.After(now) {
			break
		}
		l.remove(f)
		t.forgetMerge(f.merge)
		gone = append(gone, f)
	}
	if l.sweep = nil; l.all.Len() > 0 {
		wait := l.all.Front().Value.(*Finished).due.Sub(now)
		l.sweep = time.AfterFunc(max(wait, time.Second), t.sweepLingering)
	}
	t.mu.Unlock()
	end(gone)
}

// dropFinished lets go of one before its time.
func (t *Table) dropFinished(f *Finished) {
	t.mu.Lock()
	if f.all == nil {
		t.mu.Unlock()
		return
	}
	t.lingering.remove(f)
	t.forgetMerge(f.merge)
	t.mu.Unlock()
	end([]*Finished{f})
}

// Acknowledged is the ACK of a 3xx to 6xx. It reports whether one was waited for.
func (t *Table) Acknowledged(f *Finished) bool {
	if !f.acknowledged() {
		return false
	}
	if f.From.Flow.Reliable() {
		t.dropFinished(f) // nothing comes a second time
	}
	return true
}

// end stops transactions that have gone. No lock is held.
func end(gone []*Finished) {
	for _, f := range gone {
		f.quiet()
		f.release()
	}
}

// add takes one in and returns those that gave way for it.
func (l *lingering) add(f *Finished) (gone []*Finished) {
	if old := l.byKey[f.key]; old != nil {
		l.remove(old)
		gone = append(gone, old)
	}
	from := source.Of(f.From.Source.Addr())
	own := l.bySource[from]
	if own == nil {
		own = &lingeringOf{list: list.New()}
		l.bySource[from] = own
	}
	l.byKey[f.key] = f
	f.all, f.own = l.all.PushBack(f), own.list.PushBack(f)
	n := f.octets()
	l.octets, own.octets = l.octets+n, own.octets+n
	for own.octets > maxLingeringOne && own.list.Len() > 1 {
		old := own.list.Front().Value.(*Finished)
		l.remove(old)
		gone = append(gone, old)
	}
	for l.octets > maxLingering && l.all.Len() > 1 {
		old := l.all.Front().Value.(*Finished)
		l.remove(old)
		gone = append(gone, old)
	}
	return gone
}

func (l *lingering) remove(f *Finished) {
	from := source.Of(f.From.Source.Addr())
	own := l.bySource[from]
	l.all.Remove(f.all)
	own.list.Remove(f.own)
	f.all, f.own = nil, nil
	n := f.octets()
	l.octets, own.octets = l.octets-n, own.octets-n
	if own.list.Len() == 0 {
		delete(l.bySource, from)
	}
	if l.byKey[f.key] == f {
		delete(l.byKey, f.key)
	}
}

// Again is a request that has been answered.
func (f *Finished) Again() {
	f.mu.Lock()
	m := f.m
	f.mu.Unlock()
	if m != nil {
		f.back.Send(m)
	}
}

// acknowledged is the ACK of a 3xx to 6xx. It reports whether one was waited for.
func (f *Finished) acknowledged() bool {
	f.mu.Lock()
	waited := f.unacked
	f.unacked = false
	f.mu.Unlock()
	if waited {
		f.quiet()
	}
	return waited
}

// resend is timer G: the final response to an INVITE until its ACK.
func (f *Finished) resend() {
	f.mu.Lock()
	if !f.unacked {
		f.mu.Unlock()
		return
	}
	f.interval = min(2*f.interval, T2)
	f.retry.Reset(f.interval)
	m := f.m
	f.mu.Unlock()
	f.back.Send(m)
}

// quiet stops repetition.
func (f *Finished) quiet() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unacked = false
	if f.retry != nil {
		f.retry.Stop()
	}
}
