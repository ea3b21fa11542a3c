package sipgw

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
)

// probes is the set of all probes of the stack.
type probes struct {
	mu      sync.Mutex
	running map[string]*probe // by SIP interface
	ended   bool
}

// boxed tells whether a SIP interface is in the penalty box.
func (set *probes) boxed(iface string) bool {
	set.mu.Lock()
	p := set.running[iface]
	set.mu.Unlock()
	return p != nil && p.snapshot().Boxed
}

// watches tells whether somebody probes the interface's peer.
func (set *probes) watches(iface string) bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	return set.running[iface] != nil
}

// PenaltyBox tells the state of every probe, ordered by interface.
func (s *Stack) PenaltyBox() []ProbeState {
	s.probes.mu.Lock()
	defer s.probes.mu.Unlock()
	var list []ProbeState
	for _, p := range s.probes.running {
		st := p.snapshot()
		if left := s.holds.left(st.Interface); left > 0 && !st.Boxed {
			st.State, st.Boxed, st.Reason = "boxed", true, "503 to a call, left alone for "+left.Round(time.Second).String()
		}
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b ProbeState) int { return strings.Compare(a.Interface, b.Interface) })
	return list
}

// applyProbes starts, changes and stops OPTIONS probes; Apply calls it when the gateways stand. A probe whose configuration is
// the same is not touched.
func (s *Stack) applyProbes(cfg *config.Config) {
	s.probes.apply(s.wantedProbes(cfg), s.log, &s.group)
}

func (set *probes) apply(list []probeSpec, log *slog.Logger, group *sync.WaitGroup) {
	wanted := map[string]probeSpec{}
	for _, spec := range list {
		wanted[spec.name] = spec
	}
	set.mu.Lock()
	defer set.mu.Unlock()
	if set.ended {
		return
	}
	if set.running == nil {
		set.running = map[string]*probe{}
	}
	for name, p := range set.running {
		if spec, still := wanted[name]; !still || spec != p.spec {
			p.cancel()
			delete(set.running, name)
		}
	}
	for name, spec := range wanted {
		if set.running[name] != nil {
			continue
		}
		p := newProbe(spec, log)
		ctx, cancel := context.WithCancel(context.Background())
		p.cancel = cancel
		set.running[name] = p
		group.Go(func() {
			defer close(p.done)
			defer cancel()
			p.run(ctx)
		})
	}
}

// wake probes one interface's peer now; "" is all of them.
func (set *probes) wake(iface string) {
	set.mu.Lock()
	defer set.mu.Unlock()
	for name, p := range set.running {
		if iface != "" && name != iface {
			continue
		}
		select {
		case p.kick <- struct{}{}:
		default: // it is about to
		}
	}
}

// end stops every probe and waits for it.
func (set *probes) end() {
	set.mu.Lock()
	set.ended = true
	for _, p := range set.running {
		p.cancel()
	}
	stopped := set.running
	set.running = nil
	set.mu.Unlock()
	for _, p := range stopped {
		<-p.done
	}
}
