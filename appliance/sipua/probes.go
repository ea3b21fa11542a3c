package sipua

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Peers tells the state of the peer of every SIP interface, ordered by interface: those with a probe and those
// without one.
func (a *Agent) Peers() []status.Peer {
	peers := a.unprobed()
	for _, p := range a.probes.workers() {
		peers[p.spec.iface] = p.snapshot()
	}
	list := make([]status.Peer, 0, len(peers))
	for _, id := range slices.SortedFunc(maps.Keys(peers), config.InterfaceID.Compare) {
		st := peers[id]
		st.Heard, st.Responded, st.Skipped = a.heard.last(id), a.holds.lastResponse(id), a.Unavailable(id)
		if why := a.holds.reason(id); why != "" && st.State != status.PeerDown {
			st.State, st.Answer = status.PeerDown, why
		}
		list = append(list, st)
	}
	return list
}

// unprobed are the peers of running gateways without a probe.
func (a *Agent) unprobed() map[config.InterfaceID]status.Peer {
	peers := map[config.InterfaceID]status.Peer{}
	cfg := a.config()
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if g := i.Gateway.In(cfg); g != nil && g.Enabled && i.Remote.Host != "" && !a.probed(i.ID()) {
				peers[i.ID()] = status.Peer{Interface: i.ID().String(), Peer: siptransport.Target{Host: i.Remote.Host, Port: i.Remote.Port}.String(), State: status.PeerUnasked,
					Answer: "no penalty-box: it is not asked with OPTIONS"}
			}
		}
	}
	return peers
}

// probed tells whether a probe asks the interface's peer.
func (a *Agent) probed(iface config.InterfaceID) bool {
	_, ok := a.probes.worker(probeKey(iface))
	return ok
}

// probeNow has one interface's peer probed now; the zero InterfaceID is all of them.
func (a *Agent) probeNow(iface config.InterfaceID) {
	for _, p := range a.probes.workers() {
		if iface != (config.InterfaceID{}) && p.spec.iface != iface {
			continue
		}
		select {
		case p.kick <- struct{}{}:
		default: // it is about to
		}
	}
}

// wantedProbes are the probes that a configuration asks for.
func (a *Agent) wantedProbes(cfg *config.Config) []probeSpec {
	var list []probeSpec
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			gc := i.Gateway.In(cfg)
			if i.PenaltyBox.Interval <= 0 || i.Remote.Host == "" || gc == nil || !gc.Enabled {
				continue
			}
			if via, runs := a.stack.Client(gc.Name); runs {
				list = append(list, probeOf(via, gc.Name, i))
			}
		}
	}
	return list
}

// probeOf: From is our name without a user part, as Teams wants it; the Contact is the gateway's.
func probeOf(via sipgw.Client, gateway string, i *config.SIPInterface) probeSpec {
	to := siptransport.Target{Host: i.Remote.Host, Port: i.Remote.Port, Transport: via.Transport(i, "")}
	us := i.Local.Host
	if us == "" {
		us = sipmsg.SplitURI(via.Contact("", to)).Host
	}
	spec := probeSpec{
		via: via, gateway: gateway, iface: i.ID(),
		uri:      to.URI(),
		from:     "sip:" + siptransport.Target{Host: us}.String(),
		to:       to,
		interval: max(i.PenaltyBox.Interval, time.Second), timeout: i.PenaltyBox.Timeout, waits: via.Waits(to.Transport),
	}
	if spec.timeout <= 0 {
		spec.timeout = spec.interval
	}
	if to.Transport.Secure() {
		spec.uri = "sip:" + to.String() // Teams' own form of the Request-URI has no parameter
	}
	return spec
}

// heard is when each SIP interface's peer last sent a request: a peer that answers us and never asks is one whose way to us is blocked.
type heard struct{ byInterface sync.Map } // config.InterfaceID to *atomic.Int64, in nanoseconds

func (h *heard) note(iface config.InterfaceID) {
	at, ok := h.byInterface.Load(iface)
	if !ok {
		at, _ = h.byInterface.LoadOrStore(iface, new(atomic.Int64))
	}
	at.(*atomic.Int64).Store(time.Now().UnixNano())
}

// last is zero when no request came yet.
func (h *heard) last(iface config.InterfaceID) time.Time {
	at, ok := h.byInterface.Load(iface)
	if !ok {
		return time.Time{}
	}
	return time.Unix(0, at.(*atomic.Int64).Load())
}
