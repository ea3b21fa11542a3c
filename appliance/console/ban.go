package console

import (
	"net/netip"
	"sync"
	"time"
)

// bans shuts out sources of wrong passwords: after banTries within banTime, for banTime. An IPv6 source is its /64.
type bans struct {
	lock sync.Mutex
	of   map[netip.Addr]*offender
}

type offender struct {
	tries int
	until time.Time // when it is forgotten
}

const (
	banTries = 6
	banTime  = 10 * time.Minute
	banTable = 4096 // sources kept; the table must not grow with an attack
)

func source(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// banned reports whether a source is shut out.
func (b *bans) banned(a netip.Addr) bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	o := b.of[source(a)]
	return o != nil && o.tries >= banTries && time.Now().Before(o.until)
}

// wrong counts a wrong password and reports whether it was the one too many.
func (b *bans) wrong(a netip.Addr) bool {
	b.lock.Lock()
	defer b.lock.Unlock()
	now := time.Now()
	if b.of == nil {
		b.of = make(map[netip.Addr]*offender)
	}
	o := b.of[source(a)]
	if o == nil || now.After(o.until) {
		if o == nil && len(b.of) >= banTable {
			b.forget(now)
		}
		o = &offender{}
		b.of[source(a)] = o
	}
	o.tries++
	o.until = now.Add(banTime)
	return o.tries == banTries
}

// right forgives a source that knows a password.
func (b *bans) right(a netip.Addr) {
	b.lock.Lock()
	defer b.lock.Unlock()
	delete(b.of, source(a))
}

// forget drops what has expired, and when nothing has, the source that is nearest to it.
func (b *bans) forget(now time.Time) {
	var oldest netip.Addr
	for a, o := range b.of {
		if now.After(o.until) {
			delete(b.of, a)
		} else if old := b.of[oldest]; old == nil || o.until.Before(old.until) {
			oldest = a
		}
	}
	if len(b.of) >= banTable {
		delete(b.of, oldest)
	}
}
