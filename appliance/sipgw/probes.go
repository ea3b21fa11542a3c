package sipgw

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// probes is the set of all probes of the stack.
type probes struct {
	mu      sync.Mutex
	running map[string]*probe // by SIP interface
	ended   bool
}

// why says why a SIP interface is in the penalty box, "" when it is not.
func (set *probes) why(iface string) string {
	set.mu.Lock()
	p := set.running[iface]
	set.mu.Unlock()
	if p == nil {
		return ""
	}
	switch st := p.snapshot(); {
	case st.State != status.PeerDown:
		return ""
	case st.Code != 0:
		return "answers OPTIONS with " + st.Answer
	default:
		return "does not answer OPTIONS: " + st.Answer
	}
}

// watches tells whether somebody probes the interface's peer.
func (set *probes) watches(iface string) bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	return set.running[iface] != nil
}

// PenaltyBox tells the state of the peer of every SIP interface, ordered by interface: those that are asked with OPTIONS, and those that
// nobody asks.
func (s *Stack) PenaltyBox() []status.Peer {
	list := s.unprobed()
	s.probes.mu.Lock()
	for _, p := range s.probes.running {
		list = append(list, p.snapshot())
	}
	s.probes.mu.Unlock()
	for n := range list {
		st := &list[n]
		st.Heard = s.heard.last(st.Interface)
		if why := s.holds.why(st.Interface); why != "" && st.State != status.PeerDown {
			st.State, st.Answer = status.PeerDown, why
		}
	}
	slices.SortFunc(list, func(a, b status.Peer) int { return strings.Compare(a.Interface, b.Interface) })
	return list
}

// unprobed are the peers of running gateways that no probe asks.
func (s *Stack) unprobed() (list []status.Peer) {
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	if cfg == nil {
		return nil
	}
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if g := i.Gateway.In(cfg); g != nil && g.Enabled && i.Remote.Host != "" && !s.probes.watches(i.Name) {
				list = append(list, status.Peer{Interface: i.Name, Peer: sipmsg.JoinHostPort(i.Remote.Host, i.Remote.Port), State: status.PeerUnasked,
					Answer: "no penalty-box: it is not asked with OPTIONS"})
			}
		}
	}
	return list
}

// heard is when each SIP interface's peer last sent a request: a peer that answers us and never asks is one whose way to us is blocked.
type heard struct{ byInterface sync.Map } // name to *atomic.Int64, in nanoseconds

func (h *heard) note(iface string) {
	at, ok := h.byInterface.Load(iface)
	if !ok {
		at, _ = h.byInterface.LoadOrStore(iface, new(atomic.Int64))
	}
	at.(*atomic.Int64).Store(time.Now().UnixNano())
}

// last is zero when no request came yet.
func (h *heard) last(iface string) time.Time {
	at, ok := h.byInterface.Load(iface)
	if !ok {
		return time.Time{}
	}
	return time.Unix(0, at.(*atomic.Int64).Load())
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
