// Package bans shuts out sources of wrong passwords.
//
// The package owns the count of wrong passwords by source, and how long a source is shut out. It does not own what a source is, which is
// package source, nor passwords. It has no goroutines; its methods may be called from any.
package bans

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/source"
	"viaduct/appliance/status"
)

// List shuts out sources of wrong passwords: after Tries within Time, for Time. A right password forgives the source its wrong
// ones for the same account, and no others. source.Of defines a source.
type List struct {
	log   *slog.Logger
	words words
	mu    sync.Mutex
	of    map[netip.Addr]*offender
	swept time.Time // time of the last sweep for expired entries
}

// offender is a source from which wrong passwords came.
type offender struct {
	tries map[string]int // by account; accounts that do not exist share the empty name
	until time.Time      // the entry expires
}

const (
	// Tries is how many wrong passwords shut a source out. OpenSSH's client asks three times for a password and then three times in another
	// form of the same question: that is one person who does not remember, and may go on.
	Tries    = 12
	Time     = 10 * time.Minute
	banTable = 4096 // sources kept; the table must not grow with an attack
)

func (o *offender) wrong() (n int) {
	for _, m := range o.tries {
		n += m
	}
	return n
}

func (o *offender) banned() bool { return o.wrong() >= Tries }

// words are the messages of the log.
type words struct{ wrong, banned string }

// New returns an empty list. log gets wrong passwords, and bans as they begin and end.
func New(log *slog.Logger) *List {
	return NewFor(log, "wrong password", "too many wrong passwords, nobody gets in from there")
}

// NewFor returns an empty list for guesses of another kind, with the messages about the first one of a source and about a ban.
func NewFor(log *slog.Logger, wrong, banned string) *List {
	return &List{log: log, words: words{wrong, banned}}
}

// Left returns for how much longer a source is shut out.
func (b *List) Left(from netip.Addr, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	if o := b.of[source.Of(from)]; o != nil && o.banned() && now.Before(o.until) {
		return o.until.Sub(now)
	}
	return 0
}

// Wrong counts a wrong password and returns how long the source is shut out from now on.
func (b *List) Wrong(from netip.Addr, account string, now time.Time) time.Duration {
	from = source.Of(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	o := b.of[from]
	if o == nil || now.After(o.until) {
		b.makeRoom()
		o = &offender{tries: map[string]int{}}
		if b.of == nil {
			b.of = map[netip.Addr]*offender{}
		}
		b.of[from] = o
		b.log.Info(b.words.wrong, "peer", from, "name", account)
	}
	before := o.banned()
	o.tries[account]++
	o.until = now.Add(Time)
	if !o.banned() {
		return 0
	}
	if !before {
		b.log.Warn(b.words.banned, "peer", from, "for", Time)
	}
	return Time
}

// Right forgives a source its wrong passwords for one account.
func (b *List) Right(from netip.Addr, account string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o := b.of[source.Of(from)]; o != nil {
		if delete(o.tries, account); len(o.tries) == 0 {
			delete(b.of, source.Of(from))
		}
	}
}

// Lift forgets a source, or all of them, and returns how many.
func (b *List) Lift(from netip.Addr) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for a, o := range b.of {
		if !from.IsValid() || a == source.Of(from) {
			if n++; o.banned() {
				b.log.Info("ban lifted", "peer", a)
			}
			delete(b.of, a)
		}
	}
	return n
}

// All returns the sources, the longest bans first.
func (b *List) All(now time.Time) (list []status.Ban) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	for a, o := range b.of {
		x := status.Ban{Source: a, Wrong: o.wrong()}
		if o.banned() {
			x.Left = o.until.Sub(now)
		}
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b status.Ban) int { return cmp.Or(cmp.Compare(b.Left, a.Left), a.Source.Compare(b.Source)) })
	return list
}

// sweepEvery is the time between two sweeps of the table.
const sweepEvery = time.Second

// forget drops expired entries. The caller holds the lock, as for makeRoom.
func (b *List) forget(now time.Time) {
	if now.Sub(b.swept) < sweepEvery {
		return
	}
	b.swept = now
	for a, o := range b.of {
		if now.After(o.until) {
			if o.banned() {
				b.log.Info("ban is over", "peer", a)
			}
			delete(b.of, a)
		}
	}
}

// makeRoom drops the entry that expires first when the table is full; sources without a ban go before banned ones.
func (b *List) makeRoom() {
	if len(b.of) < banTable {
		return
	}
	var first netip.Addr
	for a, o := range b.of {
		old := b.of[first]
		if old == nil || old.banned() && !o.banned() || old.banned() == o.banned() && o.until.Before(old.until) {
			first = a
		}
	}
	delete(b.of, first)
}
