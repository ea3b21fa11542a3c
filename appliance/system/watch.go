package system

import (
	"errors"
	"fmt"
	"strconv"

	"viaduct/appliance/lang"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// Calls lists the calls in progress.
func (s *System) Calls() []status.Call { return s.calls.Calls() }

// CallCount is the number of calls in progress; it asks none of them.
func (s *System) CallCount() int { return s.calls.Count() }

// ClearCall hangs up one call, or all.
func (s *System) ClearCall(id string) error {
	if !s.calls.Clear(id) && id != "" {
		return fmt.Errorf("there is no call %s", id)
	}
	return nil
}

// Registrations are the states of all identities.
func (s *System) Registrations() []lang.Registration {
	var list []lang.Registration
	for _, r := range s.sip.Registrations() {
		x := lang.Registration{
			Identity: r.Identity, AOR: r.AOR, Registrar: r.Registrar, State: r.State,
			Expires: r.Expires, Code: r.Code, Reason: printable.Text(r.Reason), NextTry: r.Next,
		}
		if r.Err != nil && r.Code == 0 {
			x.Reason = printable.Text(r.Err.Error())
		}
		list = append(list, x)
	}
	return list
}

// Register asks the registrars at once.
func (s *System) Register(identity string) (int, error) {
	n := s.sip.RegisterNow(identity)
	switch {
	case n == 0 && identity != "":
		return 0, fmt.Errorf("no identity %s registers: see show sip registrations", identity)
	case n == 0:
		return 0, errors.New("no identity registers: registration outbound with register auto is missing")
	}
	return n, nil
}

// PenaltyBox are the states of all OPTIONS probes.
func (s *System) PenaltyBox() []lang.Probe {
	var list []lang.Probe
	for _, p := range s.sip.PenaltyBox() {
		list = append(list, lang.Probe{
			Interface: p.Interface, Peer: p.Peer, State: peerState(p), Since: p.Since, LastAnswer: answer(p), RTT: p.RTT, Heard: p.Heard,
		})
	}
	return list
}

// peerState is what a peer's probe found out about it.
func peerState(p sipgw.ProbeState) lang.PeerState {
	switch {
	case p.Boxed:
		return lang.PeerBoxed
	case p.State == "unasked":
		return lang.PeerUnasked
	case p.State == "unknown":
		return lang.PeerUnknown
	case p.Refused():
		return lang.PeerRefuses
	}
	return lang.PeerUp
}

// answer says how the last probe went.
func answer(p sipgw.ProbeState) string {
	switch {
	case p.State == "unasked" && !p.Boxed:
		return "no penalty-box: it is not asked with OPTIONS"
	case p.Reason != "":
		return p.Reason
	case p.Code != 0:
		return strconv.Itoa(p.Code) + " " + sipmsg.Phrase(p.Code)
	}
	return "none yet"
}

// Gateways are the configured gateways with their sockets.
func (s *System) Gateways() []lang.Gateway {
	open := map[string]lang.Gateway{}
	for _, g := range s.sip.Gateways() {
		for _, l := range g.Listeners {
			x := open[g.Name+" "+l.Interface]
			x.Name, x.Interface, x.Connections = g.Name, l.Interface, g.Connections
			if l.Err != nil {
				x.State, x.Err = "failed", l.Err.Error()
			} else {
				x.Listen = append(x.Listen, l.Transport+" "+l.Addr.String())
				if x.State == "" {
					x.State = "up"
				}
			}
			open[g.Name+" "+l.Interface] = x
		}
	}
	var list []lang.Gateway
	for _, g := range s.Running().Gateways {
		for _, i := range g.Interfaces {
			x, ok := open[g.Name+" "+i.Name]
			if !ok {
				x = lang.Gateway{Name: g.Name, Interface: i.Name, State: "shutdown"}
				if g.Enabled {
					x.State = "failed"
				}
			}
			list = append(list, x)
		}
	}
	return list
}
