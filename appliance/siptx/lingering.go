package siptx

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/siptransport"
	"viaduct/appliance/source"
)

// Limits of what lingers on a gateway, in octets: of all, and of one source. What peers have asked us and what we have asked them are
// counted apart, so that neither takes the other's room.
const (
	maxLingering    = 16 << 20
	maxLingeringOne = 8 << 20
	maxSettled      = 48 << 20 // 1,000 calls a second
	maxSettledOne   = 40 << 20 // one PBX may take nearly all of them
)

// lingeringItself is how many octets an entry takes beside its texts.
const lingeringItself = 512

// lingerer is an entry of lingering.
type lingerer interface {
	octets() int
	place() *place
	quiet()           // ends what it does by itself; no lock is held
	released() func() // what to call, without the lock, when it is gone
}

// place is where an entry stands in lingering.
type place struct {
	key    string
	source netip.Addr
	due    time.Time
	self   lingerer // nil: it is gone
	all    links    // among all, in the order of their ends
	own    links    // among those of its source
}

// links are neighbours in a list.
type links struct{ older, newer *place }

// line is a list of places, from the oldest to the newest. It is no container/list: with one, an entry would be three objects for the
// collector, and there are tens of thousands.
type line struct {
	oldest, newest *place
	n              int
	of             func(*place) *links
}

func allOf(p *place) *links { return &p.all }
func ownOf(p *place) *links { return &p.own }

func (l *line) push(p *place) {
	at := l.of(p)
	at.older = l.newest
	if l.newest != nil {
		l.of(l.newest).newer = p
	} else {
		l.oldest = p
	}
	l.newest = p
	l.n++
}

func (l *line) remove(p *place) {
	at := l.of(p)
	if at.older != nil {
		l.of(at.older).newer = at.newer
	} else {
		l.oldest = at.newer
	}
	if at.newer != nil {
		l.of(at.newer).older = at.older
	} else {
		l.newest = at.older
	}
	*at = links{}
	l.n--
}

// lingering are finished transactions of a gateway. What they take is bounded, whatever peers send: a source has a part of the room at
// most, and the oldest gives way. The lock of the transactions guards all of it.
type lingering struct {
	max, maxOne int
	byKey       map[string]*place
	all         line
	bySource    map[netip.Addr]*lingeringOf
	octets      int
	sweep       *time.Timer
}

// lingeringOf is the part of one source.
type lingeringOf struct {
	line   line
	octets int
}

func newLingering(most, mostOfOne int) lingering {
	return lingering{max: most, maxOne: mostOfOne, byKey: map[string]*place{}, all: line{of: allOf}, bySource: map[netip.Addr]*lingeringOf{}}
}

// add takes one in and returns those that gave way for it.
func (l *lingering) add(x lingerer, key string, from netip.Addr) (gone []lingerer) {
	p := x.place()
	*p = place{key: key, source: source.Of(from), due: time.Now().Add(Timeout), self: x}
	if old := l.byKey[key]; old != nil {
		gone = append(gone, l.remove(old))
	}
	own := l.bySource[p.source]
	if own == nil {
		own = &lingeringOf{line: line{of: ownOf}}
		l.bySource[p.source] = own
	}
	l.byKey[key] = p
	l.all.push(p)
	own.line.push(p)
	n := x.octets()
	l.octets, own.octets = l.octets+n, own.octets+n
	for own.octets > l.maxOne && own.line.n > 1 {
		gone = append(gone, l.remove(own.line.oldest))
	}
	for l.octets > l.max && l.all.n > 1 {
		gone = append(gone, l.remove(l.all.oldest))
	}
	return gone
}

// remove takes one out and returns it.
func (l *lingering) remove(p *place) lingerer {
	x, own := p.self, l.bySource[p.source]
	l.all.remove(p)
	own.line.remove(p)
	p.self = nil
	n := x.octets()
	l.octets, own.octets = l.octets-n, own.octets-n
	if own.line.n == 0 {
		delete(l.bySource, p.source)
	}
	if l.byKey[p.key] == p {
		delete(l.byKey, p.key)
	}
	return x
}

// overdue removes what has lingered long enough, and tells how long the next one has.
func (l *lingering) overdue(now time.Time) (gone []lingerer, wait time.Duration) {
	for l.all.n > 0 {
		p := l.all.oldest
		if p.due.After(now) {
			return gone, max(p.due.Sub(now), time.Second)
		}
		gone = append(gone, l.remove(p))
	}
	return gone, 0
}

// clear removes all.
func (l *lingering) clear() (gone []lingerer) {
	for l.all.n > 0 {
		gone = append(gone, l.remove(l.all.oldest))
	}
	if l.sweep != nil {
		l.sweep.Stop()
		l.sweep = nil
	}
	return gone
}

// linger takes an entry in, for as long as a message of its transaction may come again. The lock is held; what is returned is to be
// ended without it.
func (t *Table) linger(l *lingering, x lingerer, key string, from netip.Addr) (gone []lingerer) {
	gone = l.add(x, key, from)
	if l.sweep == nil {
		l.sweep = time.AfterFunc(Timeout, func() { t.sweepLingering(l) })
	}
	return gone
}

// sweepLingering drops what has lingered long enough.
func (t *Table) sweepLingering(l *lingering) {
	t.mu.Lock()
	gone, wait := l.overdue(time.Now())
	t.forgetMerges(gone)
	if l.sweep = nil; wait > 0 {
		l.sweep = time.AfterFunc(wait, func() { t.sweepLingering(l) })
	}
	t.mu.Unlock()
	end(gone)
}

// end stops transactions that have gone. No lock is held.
func end(gone []lingerer) {
	for _, x := range gone {
		x.quiet()
		if release := x.released(); release != nil {
			release()
		}
	}
}

// Finished is what is left of a server transaction after its final response: its key and that response, for a request that comes
// again (RFC 3261 17.2, RFC 6026). The request and the leg are let go of.
type Finished struct {
	at      place
	merge   string
	ToTag   string // of an INVITE: a CANCEL that comes too late gets it
	From    siptransport.Origin
	back    siptransport.Back
	m       []byte // nil: what comes again is absorbed
	release func()

	mu       sync.Mutex
	unacked  bool          // a 3xx to 6xx to an INVITE: repeated, over UDP, until its ACK comes
	interval time.Duration // between repetitions
	retry    *time.Timer
}

func (f *Finished) place() *place    { return &f.at }
func (f *Finished) released() func() { return f.release }
func (f *Finished) octets() int      { return len(f.at.key) + len(f.merge) + len(f.m) + lingeringItself }

// finish lets go of a server transaction and keeps what a retransmission needs. m is nil where it is only to be absorbed.
func (t *Table) finish(tx *Server, m []byte, unacked bool) {
	f := &Finished{merge: tx.merge, From: tx.From.Origin(), back: tx.back, m: bytes.Clone(m), release: tx.release, unacked: unacked}
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
	gone := t.linger(&t.lingering, f, tx.Key, tx.From.Source.Addr())
	t.forgetMerges(gone)
	t.mu.Unlock()
	end(gone)
}

// dropFinished lets go of one before its time.
func (t *Table) dropFinished(f *Finished) {
	t.mu.Lock()
	if f.at.self == nil {
		t.mu.Unlock()
		return
	}
	gone := []lingerer{t.lingering.remove(&f.at)}
	t.forgetMerges(gone)
	t.mu.Unlock()
	end(gone)
}

// Acknowledged is the ACK of a 3xx to 6xx. It reports whether one was waited for.
func (t *Table) Acknowledged(f *Finished) bool {
	if !f.acknowledged() {
		return false
	}
	if f.back.Reliable() {
		t.dropFinished(f) // nothing comes a second time
	}
	return true
}

// Again is a request that has been answered.
func (f *Finished) Again() {
	f.mu.Lock()
	m := f.m
	f.mu.Unlock()
	if m != nil {
		f.back.Resend(m)
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

// waits reports whether an ACK is waited for.
func (f *Finished) waits() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unacked
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
	f.back.Resend(m)
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
