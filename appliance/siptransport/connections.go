package siptransport

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// connections are the open connections of a gate, those of peers and those of ours. The lock guards target and trusted of each, too; it is
// taken before that of a connection.
type connections struct {
	mu       sync.Mutex
	open     map[*stream]struct{}
	flows    map[FlowID]*stream  // those of peers
	pool     map[poolKey]*stream // connections of ours that take new requests
	accepted int                 // connections of peers
	sources  map[netip.Addr]int  // of these
	held     atomic.Int64        // octets that wait on them
}

func emptyConnections() connections {
	return connections{open: map[*stream]struct{}{}, flows: map[FlowID]*stream{}, pool: map[poolKey]*stream{}, sources: map[netip.Addr]int{}}
}

// join returns the connection of ours that leads to one of the addresses of a name, or a new one that create makes; opened tells which.
// The connections that are gone have to give way to it.
func (c *connections) join(key poolKey, addrs []netip.AddrPort, create func() *stream) (s *stream, opened bool, gone []*stream, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.pool[key]
	// A connection to an address that the name no longer has is left: its owner has moved the service (A.11).
	if old != nil && old.fresh() && slices.Contains(addrs, old.target) {
		return old, false, nil, nil
	}
	spare, err := c.spare(addrs[0].Addr())
	if err != nil {
		return nil, false, nil, err
	}
	s = create()
	c.pool[key] = s
	c.open[s] = struct{}{}
	for _, x := range []*stream{old, spare} {
		if x != nil {
			gone = append(gone, x)
		}
	}
	return s, true, gone, nil
}

// reached notes where a connection of ours leads after all, and whether requests are taken on it.
func (c *connections) reached(s *stream, to netip.AddrPort, trusted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.target, s.trusted = to, trusted
}

// forget drops a closed connection from the tables.
func (c *connections) forget(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(s)
}

// drop does so while the lock is held.
func (c *connections) drop(s *stream) {
	if _, ok := c.open[s]; !ok {
		return
	}
	delete(c.open, s)
	if s.accepted {
		delete(c.flows, s.id)
		if from := s.from; c.sources[from] > 1 {
			c.sources[from]--
		} else {
			delete(c.sources, from)
		}
		c.accepted--
		return
	}
	for k, v := range c.pool {
		if v == s {
			delete(c.pool, k)
		}
	}
}

// pick returns those that fit. fits is called with the lock held.
func (c *connections) pick(fits func(*stream) bool) (list []*stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.open {
		if fits(s) {
			list = append(list, s)
		}
	}
	return list
}

// dialled returns the names by which connections of ours were dialled.
func (c *connections) dialled() map[*stream]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[*stream]string{}
	for key, s := range c.pool {
		names[s] = key.name
	}
	return names
}

func (c *connections) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// A peer says where it is to be reached, in Via, Contact and Record-Route: so many connections we open at its word.
const (
	maxDialled    = 256
	maxDialledOne = 16 // to one address
)

// spare finds a connection of ours to do without before one more is opened to an address: of as many to that address, of so many in all to
// the address that has most. It is nil when there is room, and an error where all are in use. The lock is held.
func (c *connections) spare(to netip.Addr) (*stream, error) {
	n := map[netip.Addr]int{}
	all, most := 0, to
	for s := range c.open {
		if !s.accepted {
			all++
			a := s.target.Addr()
			if n[a]++; n[a] > n[most] {
				most = a
			}
		}
	}
	switch {
	case n[to] >= maxDialledOne:
		most = to
	case all < maxDialled:
		return nil, nil
	}
	var idlest *stream
	var since time.Time
	for s := range c.open {
		if s.accepted || s.target.Addr() != most {
			continue
		}
		if at, busy := s.lastUsed(); !busy && (idlest == nil || at.Before(since)) {
			idlest, since = s, at
		}
	}
	if idlest == nil {
		return nil, errTooManyDialled
	}
	return idlest, nil
}
