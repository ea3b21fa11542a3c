package system

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/source"
	"viaduct/appliance/status"
)

// Alarms lists the alarms that are up, the worst first.
func (s *System) Alarms() []health.Alarm {
	s.watchStore()
	return s.health.Current()
}

// AlarmCounts counts the alarms that are up, by kind.
func (s *System) AlarmCounts() []health.Count { return s.health.Counts() }

// judge sets an alarm that exists at most once, or clears it when why is empty.
func (s *System) judge(w *health.Warnable, why string) {
	if why == "" {
		s.health.Clear(w, "")
		return
	}
	s.health.Set(w, health.Args{"why": why})
}

// Many engines do not report their faults. The watch looks at them.

const watchEvery = 2 * time.Second

// watch looks at such engines and keeps their alarms until ctx ends.
func (s *System) watch(ctx context.Context) error {
	every := time.NewTicker(watchEvery)
	defer every.Stop()
	for {
		s.watchStore()
		s.watchSockets()
		s.watchPeers(s.Registrations(), s.Peers())
		s.watchClock(s.Clock())
		s.watchPools()
		s.watchBans(time.Now())
		s.watchOverload(s.sip.Overload())
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// watchOverload tells that new calls are refused because too many come.
func (s *System) watchOverload(o status.Overload) {
	if o.State != status.Shedding {
		s.health.Clear(health.Overloaded, "")
		return
	}
	s.health.Set(health.Overloaded, nil)
}

// watchStore looks for files that cannot be used and for issuers that are not trusted.
func (s *System) watchStore() {
	var damaged []health.Args
	for _, err := range s.store.Problems() {
		damaged = append(damaged, health.Args{"why": err.Error()})
	}
	s.health.Replace(health.FileDamaged, damaged)
	s.health.Replace(health.UnknownIssuer, s.unknown.Alarms())
}

// watchSockets checks that some gateway has an open socket.
func (s *System) watchSockets() {
	if err := s.deaf(); err != nil {
		s.judge(health.Deaf, err.Error())
		return
	}
	s.health.Clear(health.Deaf, "")
}

// deaf returns why no gateway has an open socket although its address is there. Without an address the fault is in the network or in
// its configuration, and deaf returns nil.
func (s *System) deaf() error {
	var failed error
	for _, g := range s.sip.Gateways() {
		for _, i := range g.Interfaces {
			for _, l := range i.Listeners {
				switch l.State {
				case status.ListenerOpen:
					return nil
				case status.ListenerFailed:
					failed = errors.New(l.Error)
				}
			}
		}
	}
	return failed
}

// watchGateways checks that there is a gateway. It runs when the configuration changes.
func (s *System) watchGateways(n int) {
	if n > 0 {
		s.health.Clear(health.NoGateway, "")
		return
	}
	s.health.Set(health.NoGateway, nil)
}

// watchPeers checks the registrations and the peers' answers to OPTIONS.
func (s *System) watchPeers(registrations []status.Registration, peers []status.Peer) {
	cfg := s.Running()
	called := distinct(registrations)
	var failed, silent, refusing []health.Args
	for _, r := range registrations {
		if r.State == status.RegistrationFailed || r.State == status.Registering && r.Expires.IsZero() {
			failed = append(failed, health.Args{"identity": called(r), "registrar": r.Registrar, "why": unregistered(r), "port": s.portOf(cfg, r.Gateway)})
		}
	}
	for _, p := range peers {
		switch p.State {
		case status.PeerDown:
			silent = append(silent, s.peerArgs(cfg, p))
		case status.PeerRefuses:
			refusing = append(refusing, s.peerArgs(cfg, p))
		}
	}
	s.health.Replace(health.RegistrationFailed, failed)
	s.health.Replace(health.PeerSilent, silent)
	s.health.Replace(health.PeerRefuses, refusing)
}

// peerArgs are the arguments of an alarm about a peer.
func (s *System) peerArgs(cfg *config.Config, p status.Peer) health.Args {
	return health.Args{"interface": p.Interface, "peer": p.Peer, "why": p.Answer, "port": s.portOf(cfg, gatewayOf(cfg, p.Interface))}
}

// distinct returns what to call each identity so that it is not taken for another one: two location services may have one of that name,
// and two gateways one location service.
func distinct(all []status.Registration) func(status.Registration) string {
	names, addresses := map[string]int{}, map[string]int{}
	for _, r := range all {
		names[r.Identity]++
		addresses[r.AOR]++
	}
	return func(r status.Registration) string {
		switch {
		case names[r.Identity] < 2:
			return r.Identity
		case addresses[r.AOR] < 2:
			return r.AOR
		}
		return r.AOR + " of context sip-gateway " + r.Gateway
	}
}

func unregistered(r status.Registration) string {
	switch {
	case r.Code != 0:
		return fmt.Sprintf("%d %s", r.Code, r.Reason)
	case r.State == status.Registering:
		return cmp.Or(r.Error, "no answer yet")
	}
	return cmp.Or(r.Error, "no answer")
}

// gatewayOf returns the gateway of a SIP interface by the name that status.Peer has.
func gatewayOf(cfg *config.Config, iface string) string {
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			if i.ID().String() == iface {
				return i.Gateway.Name
			}
		}
	}
	return ""
}

// portOf returns the port of a gateway, "" when it has several or none of ours.
func (s *System) portOf(cfg *config.Config, gateway string) string {
	g := config.Ref[config.Config, config.SIPGateway]{Name: gateway}.In(cfg)
	if g == nil {
		return ""
	}
	port := ""
	for _, i := range g.Interfaces {
		at := cfg.IPInterface(i.Bind.Context, i.Bind.Interface)
		for _, p := range cfg.Ports {
			binds := []config.IPBind{p.Bind}
			for _, v := range p.VLANs {
				binds = append(binds, v.Bind)
			}
			mine := func(b config.IPBind) bool {
				return !b.Interface.IsZero() && at != nil && cfg.IPInterface(b.Context, b.Interface) == at
			}
			name := s.o.Board.PortName(p.Slot, p.Port)
			if !slices.ContainsFunc(binds, mine) || port == name {
				continue
			}
			if port != "" {
				return ""
			}
			port = name
		}
	}
	return port
}

// watchPorts checks the links of the ports. It runs when a link or the configuration changes.
func (s *System) watchPorts(cfg *config.Config) {
	st, err := s.net.State(cfg)
	if err != nil {
		s.log.Warn("network state not read", "err", err)
		return
	}
	var down []health.Args
	for _, p := range st.Ports {
		if p.VLAN == 0 && p.Enabled && p.State == status.LinkNoCarrier {
			down = append(down, health.Args{"port": p.Name})
		}
	}
	s.health.Replace(health.LinkDown, down)
}

// watchClock checks that the clock follows a time server, if any is configured.
func (s *System) watchClock(c status.Clock) {
	if !c.Enabled || c.Synced {
		s.health.Clear(health.ClockUnsynchronised, "")
		return
	}
	s.judge(health.ClockUnsynchronised, cmp.Or(c.Error, "no time server has answered yet"))
}

// watchPools checks whether a pool of licenses is used up.
func (s *System) watchPools() {
	var empty []health.Args
	for n, r := range s.licenses.Table() {
		if r.Free == 0 && r.Alloc > 0 {
			empty = append(empty, health.Args{"pool": r.Name, "total": fmt.Sprint(r.Total), "refused": fmt.Sprint(s.licenses.Peaks()[n].Refused)})
		}
	}
	s.health.Replace(health.LicensesUsedUp, empty)
}

// watchBans checks for banned sources.
func (s *System) watchBans(now time.Time) {
	var banned []health.Args
	for _, b := range s.bans.All(now) {
		if b.Left > 0 {
			banned = append(banned, health.Args{"source": source.Name(netip.Addr(b.Source))})
		}
	}
	s.health.Replace(health.SourceBanned, banned)
}
