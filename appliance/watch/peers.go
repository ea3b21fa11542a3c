package watch

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// overdue is how long an answer to OPTIONS may take before it is an alarm. That the peer is away is known for sure when the transaction has
// ended, which is later than an administrator wants to know of it.
const overdue = 20 * time.Second

// Peers checks the registrations and the peers' answers to OPTIONS.
func (w *Watch) Peers(now time.Time, cfg *config.Config, registrations []status.Registration, peers []status.Peer) {
	called := distinct(registrations)
	var failed, silent, refusing, stalled []health.Args
	for _, r := range registrations {
		if state, why := lost(r); why != "" {
			failed = append(failed, health.Args{"identity": called(r), "state": state, "registrar": r.Registrar, "why": why, "port": w.portOf(cfg, r.Gateway)})
		}
	}
	for _, p := range peers {
		args := health.Args{"interface": p.Interface, "peer": p.Peer, "why": p.Answer, "port": w.portOf(cfg, GatewayOf(cfg, p.Interface))}
		switch late := !p.Asked.IsZero() && now.Sub(p.Asked) >= overdue; {
		case p.State == status.PeerDown:
			silent = append(silent, args)
		case late && p.State != status.PeerUnknown:
			args["why"] = fmt.Sprintf("it has not answered OPTIONS for %d seconds", int(overdue.Seconds()))
			silent = append(silent, args)
		case p.State == status.PeerRefuses:
			refusing = append(refusing, args)
		}
		if p.Stalled {
			stalled = append(stalled, args)
		}
	}
	w.health.Replace(health.RegistrationFailed, failed)
	w.health.Replace(health.PathNarrow, stalled)
	w.health.Replace(health.PeerSilent, silent)
	w.health.Replace(health.PeerRefuses, refusing)
}

// lost says how an identity is not registered, or will not be for long, and why; "" when all is well.
func lost(r status.Registration) (state, why string) {
	switch {
	case r.State == status.RegistrationFailed, r.State == status.Registering && r.Expires.IsZero():
		return "is not registered", unregistered(r)
	case r.Error != "":
		return "is not registered anew", unregistered(r) // a phone that calls it still gets through, and soon none will
	}
	return "", ""
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

// destinations checks the hunt groups: one without any destination that takes calls loses them all.
func (w *Watch) destinations(cfg *config.Config, peers []status.Peer) {
	states := map[string]status.Peer{}
	for _, p := range peers {
		states[p.Interface] = p
	}
	var dead []health.Args
	for _, sw := range cfg.CS {
		for _, h := range sw.HuntGroups {
			n := 0
			for _, r := range h.Routes {
				i := r.Dest.Interface.In(sw)
				if i == nil {
					n = 0
					break // a table, which is not followed, or a name that is wrong and a problem of the configuration
				}
				if p, known := states[i.ID().String()]; !known || p.State != status.PeerDown && p.State != status.PeerRefuses {
					n = 0
					break
				}
				n++
			}
			if n > 1 { // one alone has its own alarm
				dead = append(dead, health.Args{"group": config.Scoped(sw.Name, h.Name), "count": fmt.Sprint(n)})
			}
		}
	}
	w.health.Replace(health.DestinationsLost, dead)
}

// muteAfter is how long a gateway that Teams answers at may hear nothing from it. Each hub sends OPTIONS once a minute (teams.md A.20).
const muteAfter = 4 * time.Minute

// unheard looks for gateways whose peers at Microsoft Teams answer, and never ask: the way from there is closed, and no call comes in. It
// goes by gateway, because a request of any hub may be counted at the first interface that trusts its address.
func (w *Watch) unheard(now time.Time, cfg *config.Config, peers []status.Peer) {
	type hubs struct {
		heard time.Time
		up    bool
		port  string
	}
	gateways := map[string]*hubs{}
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			n := slices.IndexFunc(peers, func(p status.Peer) bool { return p.Interface == i.ID().String() })
			if n < 0 || !i.Teams() {
				continue
			}
			g := gateways[i.Gateway.Name]
			if g == nil {
				g = &hubs{port: w.portOf(cfg, i.Gateway.Name)}
				gateways[i.Gateway.Name] = g
			}
			g.up = g.up || peers[n].State == status.PeerUp
			if peers[n].Heard.After(g.heard) {
				g.heard = peers[n].Heard
			}
		}
	}
	var list []health.Args
	for name := range w.heard {
		if g := gateways[name]; g == nil || !g.up {
			delete(w.heard, name)
		}
	}
	for name, g := range gateways {
		if !g.up {
			continue
		}
		since, known := w.heard[name]
		if !known {
			since = now // they have only begun to answer
		}
		if g.heard.After(since) {
			since = g.heard
		}
		w.heard[name] = since
		if now.Sub(since) >= muteAfter {
			list = append(list, health.Args{"gateway": name, "port": g.port})
		}
	}
	w.health.Replace(health.PeersMute, list)
}

// GatewayOf returns the gateway of a SIP interface by the name that status.Peer has.
func GatewayOf(cfg *config.Config, iface string) string {
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
func (w *Watch) portOf(cfg *config.Config, gateway string) string {
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
			name := w.port(p.Slot, p.Port)
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
