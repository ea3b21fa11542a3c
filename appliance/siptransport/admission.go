package siptransport

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// An open connection costs memory and a place, even if its peer says nothing. A connection that has brought no message yet gives way to
// new ones, and the source with the most connections gives way first. So no source can shut out the others by holding connections.
const (
	maxHalfOpen    = 64 // connections on which no message has come yet
	maxHalfOpenOne = 16 // of one source
	newConnections = 32 // a second, of one source
	// maxHalfOpenPhones are as many of phones, which are counted apart, and where as many may register.
	maxHalfOpenPhones = 512
	maxHeld           = 16 << 20 // octets in all accepted connections: of messages that are not whole, for peers that do not read
	idleAtLeast       = 10 * time.Second
	// phoneIdleAtLeast: a phone may say nothing for long, and whoever calls it needs its connection.
	phoneIdleAtLeast = 10 * time.Minute
)

var (
	errTooManyConnections = errors.New("too many connections")
	errTooManyOfSource    = errors.New("too many connections of this source")
	errTooManyNew         = errors.New("too many new connections of this source")
	errTooManyDialled     = errors.New("too many connections of ours to this address")
	errGaveWay            = errors.New("it gave way to another connection")
	errHoldsMost          = errors.New("too much waits on connections, and most on this one")
)

// admitStream gives an accepted connection a place. Another connection may lose its own for that.
func (g *Gate) admitStream(s *stream) error {
	most := g.conf.Load().placesFor(s.phone)
	if !g.allowsConnection(s.from, most.fresh) {
		return errTooManyNew
	}
	gone, err := g.connections.admit(s, most)
	for _, x := range gone {
		x.close(errGaveWay)
	}
	return err
}

// admit finds a place and returns the connections that lose theirs.
func (c *connections) admit(s *stream, most places) (gone []*stream, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	like := func(x *stream) bool { return x.halfOpen() && x.phone == s.phone }
	limits := []struct {
		full  bool
		err   error
		whose func() netip.Addr
		count func(*stream) bool
	}{
		{c.sources[s.from] >= most.ofSource, errTooManyOfSource, s.source, anyStream},
		{c.count(s.from, like) >= most.halfOpenOne, errTooManyOfSource, s.source, like},
		{c.count(netip.Addr{}, like) >= most.halfOpen, errTooManyConnections, func() netip.Addr { return c.noisiest(like) }, like},
		{c.accepted >= most.all, errTooManyConnections, func() netip.Addr { return c.fairest(s.from) }, anyStream},
	}
	for _, l := range limits {
		if !l.full || len(gone) > 0 {
			continue // one that has gone makes room everywhere
		}
		x := c.leastUseful(l.whose(), l.count)
		if x == nil && l.err == errTooManyConnections {
			x = c.leastUseful(netip.Addr{}, (*stream).halfOpen)
		}
		if x == nil {
			return nil, l.err
		}
		c.drop(x)
		gone = append(gone, x)
	}
	c.accepted++
	c.sources[s.from]++
	c.open[s] = struct{}{}
	c.flows[s.id] = s
	return gone, nil
}

func anyStream(*stream) bool { return true }

func (s *stream) source() netip.Addr { return s.from }

// halfOpen reports whether an accepted connection has not brought a readable message yet.
func (s *stream) halfOpen() bool { return !s.spoken.Load() }

// count counts the accepted connections of a source; the zero Addr stands for all sources. The caller holds the lock.
func (c *connections) count(from netip.Addr, what func(*stream) bool) (n int) {
	for s := range c.open {
		if s.accepted && (!from.IsValid() || s.from == from) && what(s) {
			n++
		}
	}
	return n
}

// noisiest is the source with the most connections of a kind. The caller holds the lock.
func (c *connections) noisiest(what func(*stream) bool) (most netip.Addr) {
	n := map[netip.Addr]int{}
	for s := range c.open {
		if s.accepted && what(s) {
			if n[s.from]++; n[s.from] > n[most] {
				most = s.from
			}
		}
	}
	return most
}

// fairest is the source that gives way to a newcomer: the source with the most connections, if it has more than the newcomer. The caller
// holds the lock.
func (c *connections) fairest(newcomer netip.Addr) netip.Addr {
	if most := c.noisiest(anyStream); c.sources[most] > c.sources[newcomer]+1 {
		return most
	}
	return newcomer
}

// leastUseful is the accepted connection of a source that can go first: the oldest half-open one, else the one that has been idle longest;
// nil if all are in use. The zero Addr stands for all sources. The caller holds the lock.
func (c *connections) leastUseful(from netip.Addr, among func(*stream) bool) (found *stream) {
	var since time.Time
	half := false
	for s := range c.open {
		if !s.accepted || from.IsValid() && s.from != from || !among(s) {
			continue
		}
		at, idle := s.opened, s.halfOpen()
		if !idle && half {
			continue
		}
		if !idle {
			var busy bool
			if at, busy = s.lastUsed(); busy || time.Since(at) < s.staysIdle() {
				continue
			}
		}
		if found == nil || idle && !half || at.Before(since) {
			found, since, half = s, at, idle
		}
	}
	return found
}

// staysIdle is how long an accepted connection may carry nothing before it is one that can go.
func (s *stream) staysIdle() time.Duration {
	if s.phone {
		return phoneIdleAtLeast
	}
	return idleAtLeast
}

// lastUsed returns when the connection carried a message last, and whether a transaction uses it.
func (s *stream) lastUsed() (at time.Time, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, len(s.users) > 0
}

// countHeld adds to the octets that wait on an accepted connection. If too many wait in all, it closes the largest connection of the
// largest source. The caller does not hold the connection's lock.
func (s *stream) countHeld(more int) {
	s.mu.Lock()
	total := s.countHeldLocked(more)
	s.mu.Unlock()
	if total > maxHeld {
		s.g.shed()
	}
}

func (s *stream) countHeldLocked(more int) (total int64) {
	if s.state == streamClosed || !s.accepted {
		return 0
	}
	s.held += more
	return s.g.connections.held.Add(int64(more))
}

// shed closes the connection that holds most of the source that holds most.
func (g *Gate) shed() {
	if s := g.connections.largest(); s != nil {
		g.closeBecause(s, errHoldsMost)
	}
}

// largest is the accepted connection that holds most of the source that holds most; nil: there is none.
func (c *connections) largest() *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	bySource := map[netip.Addr]int{}
	largest := map[netip.Addr]*stream{}
	octets := map[*stream]int{}
	var most netip.Addr
	for s := range c.open {
		if !s.accepted {
			continue
		}
		s.mu.Lock()
		octets[s] = s.held
		s.mu.Unlock()
		if bySource[s.from] += octets[s]; bySource[s.from] > bySource[most] {
			most = s.from
		}
		if x := largest[s.from]; x == nil || octets[s] > octets[x] {
			largest[s.from] = s
		}
	}
	return largest[most]
}

// closeBecause closes an accepted connection and logs the reason.
func (g *Gate) closeBecause(s *stream, err error) {
	g.Repeats.Log(slog.LevelInfo, "connection closed", s.from.String(), err.Error(), "gw", g.name, "peer", s.Remote(), "err", err)
	s.close(err)
}
