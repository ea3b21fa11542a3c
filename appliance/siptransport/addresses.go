package siptransport

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	failingFor = time.Minute // an address that did not answer is tried after the others of its name
	// expectFor is how long we take responses over UDP from a peer that no trust line names, after a request of ours: a registrar, for
	// example. Only its responses are taken.
	expectFor = 37 * time.Second // 64*T1 + T4
)

// addresses is what a gate remembers of single addresses.
type addresses struct {
	mu       sync.Mutex
	expected map[netip.Addr]time.Time     // addresses that may respond over UDP, until when
	failing  map[netip.AddrPort]time.Time // addresses that did not answer, until when they come last
}

func newAddresses() addresses {
	return addresses{expected: map[netip.Addr]time.Time{}, failing: map[netip.AddrPort]time.Time{}}
}

// failed notes that an address does not answer.
func (x *addresses) failed(a netip.AddrPort) {
	x.mu.Lock()
	defer x.mu.Unlock()
	keep(x.failing, a, time.Now().Add(failingFor), func(t time.Time) time.Time { return t })
}

// prefer puts addresses that did not answer lately behind the others.
func (x *addresses) prefer(list []netip.AddrPort) []netip.AddrPort {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.failing) == 0 {
		return list
	}
	now := time.Now()
	for a, until := range x.failing {
		if now.After(until) {
			delete(x.failing, a)
		}
	}
	bad := func(a netip.AddrPort) int {
		if _, ok := x.failing[a]; ok {
			return 1
		}
		return 0
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int { return bad(a) - bad(b) })
	return list
}

// expect notes a request of ours over UDP to a peer.
func (x *addresses) expect(a netip.Addr) {
	now := time.Now()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.expected) > 256 {
		for k, until := range x.expected {
			if now.After(until) {
				delete(x.expected, k)
			}
		}
	}
	x.expected[a] = now.Add(expectFor)
}

// expects reports whether we wait for a response from an address.
func (x *addresses) expects(a netip.Addr) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	until, ok := x.expected[a]
	return ok && time.Now().Before(until)
}

// Failed notes that an address does not answer.
func (g *Gate) Failed(a netip.AddrPort) { g.addresses.failed(a) }
