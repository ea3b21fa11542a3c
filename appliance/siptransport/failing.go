package siptransport

import (
	"net/netip"
	"slices"
	"time"
)

const failingFor = time.Minute // an address that did not answer is tried after the others of its name

// Failed notes that an address does not answer.
func (g *Gate) Failed(a netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	keep(g.failing, a, time.Now().Add(failingFor), func(t time.Time) time.Time { return t })
}

// prefer puts addresses that did not answer lately behind the others; the mutex is held.
func (g *Gate) prefer(list []netip.AddrPort) []netip.AddrPort {
	if len(g.failing) == 0 {
		return list
	}
	now := time.Now()
	for a, until := range g.failing {
		if now.After(until) {
			delete(g.failing, a)
		}
	}
	bad := func(a netip.AddrPort) int {
		if _, ok := g.failing[a]; ok {
			return 1
		}
		return 0
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int { return bad(a) - bad(b) })
	return list
}
