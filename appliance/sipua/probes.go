package sipua

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Peers tells the state of the peer of every SIP interface, ordered by interface: those with a probe and those
// without one.
func (a *Agent) Peers() []status.Peer {
	peers := a.unprobed()
	for _, p := range a.probes.Workers() {
		peers[p.spec.iface] = p.Snapshot()
	}
	list := make([]status.Peer, 0, len(peers))
	for _, id := range slices.SortedFunc(maps.Keys(peers), config.InterfaceID.Compare) {
		st := peers[id]
		st.Heard, st.HeardFrom = a.heard.last(id)
		st.Responded, st.Skipped = a.holds.lastResponse(id), a.Unavailable(id)
		st.Messages = a.stack.Messages(id)
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
	_, ok := a.probes.Find(probeKey(iface))
	return ok
}

// probeNow has one interface's peer probed now; the zero InterfaceID is all of them.
func (a *Agent) probeNow(iface config.InterfaceID) {
	for _, p := range a.probes.Workers() {
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
func probeOf(via sipdialog.Client, gateway string, i *config.SIPInterface) probeSpec {
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
type heard struct{ byInterface sync.Map } // config.InterfaceID to *request

// request is the last one of a peer.
type request struct {
	mu   sync.Mutex
	at   time.Time
	from netip.Addr
}

func (h *heard) note(iface config.InterfaceID, from netip.Addr) {
	r, ok := h.byInterface.Load(iface)
	if !ok {
		r, _ = h.byInterface.LoadOrStore(iface, new(request))
	}
	now, last := time.Now(), r.(*request)
	last.mu.Lock()
	defer last.mu.Unlock()
	last.at, last.from = now, from
}

// last is zero when no request came yet.
func (h *heard) last(iface config.InterfaceID) (at time.Time, from netip.Addr) {
	r, ok := h.byInterface.Load(iface)
	if !ok {
		return at, from
	}
	last := r.(*request)
	last.mu.Lock()
	defer last.mu.Unlock()
	return last.at, last.from
}
