package snmp

import (
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

type portStatus = status.Port

// View is the state of the box, all of one moment.
type View struct {
	System        status.System
	Clock         status.Clock
	Ports         []status.Port // with their VLANs
	Calls         []status.Call
	Licenses      status.Licenses
	Registrations []status.Registration
	Peers         []status.Peer
	Gateways      []status.Gateway
	Alarms        []health.Alarm
	Redundancy    status.Redundancy
	Consoles      int
}

// seen is what the responder remembers of the box.
type seen struct {
	tree   tree // nil: none is fresh
	at     time.Time
	links  map[string]time.Time // last change of a port's link
	busy   []int                // load of each processor in percent
	before []sample             // oldest first
}

// sample is what the processors have done until a moment.
type sample struct {
	at         time.Time
	processors []status.Processor
}

// samples is how many are kept: those of a minute, over which hrProcessorLoad is an average.
const samples = int(time.Minute/retryEvery) + 1

func newSeen() seen { return seen{links: map[string]time.Time{}} }

func (s *seen) link(l link) {
	if len(s.links) < 64 || !s.links[l.device].IsZero() {
		s.links[l.device] = time.Now()
	}
}

// sample notes what the processors have done.
func (s *seen) sample(now []status.Processor) {
	s.before = append(s.before, sample{time.Now(), now})
	if len(s.before) > samples {
		s.before = s.before[1:]
	}
	first := s.before[0].processors
	s.busy = make([]int, len(now))
	for n, p := range now {
		was := status.Processor{}
		if len(s.before) > 1 && n < len(first) {
			was = first[n]
		}
		if all := p.Busy - was.Busy + p.Idle - was.Idle; all > 0 {
			s.busy[n] = int(min(max(100*(p.Busy-was.Busy)/all, 0), 100))
		}
	}
}

// look returns what the box shows, not older than viewEvery: a walk must not ask the engines for every row.
func (r *Responder) look() tree {
	if now := time.Now(); r.seen.tree == nil || now.Sub(r.seen.at) >= viewEvery {
		r.seen.tree, r.seen.at = r.build(r.o.View()), now
	}
	return r.seen.tree
}

// build makes the tree of a view.
func (r *Responder) build(v View) tree {
	if len(r.seen.before) == 0 {
		r.seen.sample(v.System.Processors)
	}
	var t tree
	r.standard(&t, v)
	r.ports(&t, v)
	r.host(&t, v)
	r.own(&t, v)
	t.sort()
	return t
}
