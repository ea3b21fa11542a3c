package media

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// pools hand out pairs of ports, one pool for each local address and range.
type pools struct {
	mu         sync.Mutex
	quarantine time.Duration
	byRange    map[portRange]*pool
}

type portRange struct {
	addr        netip.Addr
	first, last uint16
}

// pool is a queue of even ports. A freed port goes to its end and stays unusable for the quarantine: late packets of the call that
// had it would reach the next one. The order is random, so that a stranger cannot tell the next call's port from his own.
type pool struct {
	free    []uint16
	resting []resting
}

type resting struct {
	port  uint16
	until time.Time
}

func (p *pools) take(r portRange, now time.Time) (uint16, error) {
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
	for len(from.resting) > 0 && !now.Before(from.resting[0].until) {
		from.free = append(from.free, from.resting[0].port)
		from.resting = from.resting[1:]
	}
	if len(from.free) == 0 {
		return 0, fmt.Errorf("%w: %s, ports %d to %d, %d of them resting", ErrNoPort, r.addr, r.first, r.last, 2*len(from.resting))
	}
	port := from.free[0]
	from.free = from.free[1:]
	return port, nil
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
func (p *pools) put(r portRange, port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := p.byRange[r]
	to.resting = append(to.resting, resting{port, now.Add(p.quarantine)})
}
