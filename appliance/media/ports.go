package media

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// pools hand out pairs of ports, one pool for each local address and range. Ranges of one address may overlap: gateways share it, or
// the configuration has changed.
type pools struct {
	mu         sync.Mutex
	quarantine time.Duration
	byRange    map[portRange]*pool
	rests      map[netip.AddrPort]time.Time // until when the RTP port that a call had stays unusable
}

func newPools(quarantine time.Duration) pools {
	return pools{quarantine: quarantine, byRange: map[portRange]*pool{}, rests: map[netip.AddrPort]time.Time{}}
}

type portRange struct {
	addr        netip.Addr
	first, last uint16
}

// pool is a queue of even ports, the longest unused first. A freed port goes to its end and rests for the quarantine: late packets of
// the call that had it would reach the next one. The order is random, so that a stranger cannot tell the next call's port from his own.
type pool struct{ free []uint16 }

func (p *pools) acquire(r portRange, now time.Time) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.byRange[r]
	if from == nil {
		var err error
		if from, err = newPool(r); err != nil {
			return 0, err
		}
		p.byRange[r] = from
	}
	for range from.free {
		port := from.free[0]
		from.free = from.free[1:]
		if !now.Before(p.rests[netip.AddrPortFrom(r.addr, port)]) {
			return port, nil
		}
		from.free = append(from.free, port)
	}
	return 0, fmt.Errorf("%w: %s, ports %d to %d, %d of them resting", ErrNoPort, r.addr, r.first, r.last, 2*len(from.free))
}

func newPool(r portRange) (*pool, error) {
	first, last := int(r.first)+int(r.first)&1, int(r.last)
	if first+1 > last || first == 0 {
		return nil, fmt.Errorf("media ports %d to %d: hold no pair of an even and the next odd port", r.first, r.last)
	}
	p := &pool{}
	for port := first; port+1 <= last; port += 2 {
		p.free = append(p.free, uint16(port))
	}
	rand.Shuffle(len(p.free), func(i, j int) { p.free[i], p.free[j] = p.free[j], p.free[i] })
	return p, nil
}

// put takes a port back into its quarantine.
func (p *pools) release(r portRange, port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rests[netip.AddrPortFrom(r.addr, port)] = now.Add(p.quarantine)
	to := p.byRange[r]
	to.free = append(to.free, port)
}
