package sipgw

import (
	"errors"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/siplegs"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
	"viaduct/appliance/status"
)

// gateway is one `context sip-gateway`: its transactions and dialogs, on a gate of its own.
type gateway struct {
	*siptransport.Gate
	stack *Stack
	name  string
	log   *slog.Logger

	transactions *siptx.Table
	legs         *siplegs.Table[*Leg]
	unsaid       atomic.Int32 // what legs have yet to do before anything of it is sent
}

func (s *Stack) newGateway(name string) *gateway {
	g := &gateway{stack: s, name: name, log: s.log, legs: siplegs.NewTable[*Leg]()}
	g.Gate = siptransport.New(s.ctx, name, &s.opts.Options, s.spawn, g.received)
	g.transactions = siptx.New(g.Gate)
	return g
}

// credential is the account with which an identity answers challenges on this gateway.
func credential(c *siptransport.Conf, identity string) config.Credential {
	for _, r := range c.Gateway.Location {
		if l := r.In(c.Config); l != nil {
			if cred, ok := l.Credential(c.Config, identity); ok {
				return cred
			}
		}
	}
	return config.Credential{}
}

// accountOf answers challenges of an interface's peer with an identity's account; those of a phone, which has nothing to ask for, never.
func accountOf(c *siptransport.Conf, i *config.SIPInterface, identity string) account {
	if ofPhones(i) {
		return account{sipmsg.NewAuthenticator("", ""), identity}
	}
	a := credential(c, identity)
	return account{sipmsg.NewAuthenticator(a.Username, string(a.Password)), identity}
}

// bury keeps the dialog of an ended leg for a moment, for a BYE that crosses ours. What is kept only knows the tags, who may speak, and
// that all is over: the leg itself holds messages and descriptions, and thousands of legs end in that moment. They share one timer, and
// each has one text, for the collector's sake.
func (g *gateway) bury(l *Leg) {
	past := &Leg{stack: l.stack, g: g, iface: l.iface, incoming: l.incoming, counted: l.counted, state: legOver}
	past.ownership.Abandon()
	text := siplegs.Key(l.dialog.CallID, l.dialog.LocalTag) + " " + l.dialog.RemoteTag
	key := text[:len(text)-len(l.dialog.RemoteTag)-1]
	past.outline.CopyOf(&l.outline, text[len(key)+1:])
	past.dialog = sipdialog.Dialog{CallID: key[:len(l.dialog.CallID)], LocalTag: key[len(l.dialog.CallID)+1:], Transport: l.dialog.Transport}
	if g.legs.Bury(key, past, siptx.T4) {
		time.AfterFunc(siptx.T4, g.sweep)
	}
}

// sweep forgets the legs that have been buried for long enough.
func (g *gateway) sweep() {
	gone, wait := g.legs.Overdue(time.Now())
	for _, l := range gone {
		g.dropLeg(l)
	}
	if wait > 0 {
		time.AfterFunc(wait, g.sweep)
	}
}

// dropLeg forgets a leg that is over.
func (g *gateway) dropLeg(l *Leg) {
	g.legs.Drop(l.dialog.CallID, l.dialog.LocalTag)
	if l.incoming {
		l.counted.Ended()
	}
}

var errNoGateway = errors.New("the SIP interface has no running gateway")

// Gateways describes the configured gateways, in the order of the configuration that was applied last.
func (s *Stack) Gateways() (list []status.Gateway) {
	s.mu.Lock()
	cfg, running := s.cfg, maps.Clone(s.gateways)
	s.mu.Unlock()
	for _, conf := range cfg.Gateways {
		list = append(list, running[conf.Name].status(conf))
	}
	return list
}

// Connections lists the open connections of all gateways.
func (s *Stack) Connections() (list []status.Connection) {
	s.mu.Lock()
	cfg, running := s.cfg, maps.Clone(s.gateways)
	s.mu.Unlock()
	for _, conf := range cfg.Gateways {
		if g := running[conf.Name]; g != nil {
			list = append(list, g.Connections()...)
		}
	}
	return list
}

// status describes a gateway; g is nil for one that does not run.
func (g *gateway) status(conf *config.SIPGateway) status.Gateway {
	x := status.Gateway{Name: conf.Name}
	var listeners map[string][]status.Listener
	if g != nil {
		listeners = g.Figures(&x)
		x.Legs, _ = g.legs.Count()
	}
	for _, i := range conf.Interfaces {
		y := status.GatewayInterface{Name: i.Name, Listeners: listeners[i.Name]}
		switch {
		case len(y.Listeners) > 0:
			y.State = status.GatewayUp
		case !conf.Enabled:
			y.State = status.GatewayShutdown
		}
		for _, l := range y.Listeners {
			if l.State != status.ListenerOpen {
				y.State, y.Error = status.GatewayFailed, l.Error
			}
		}
		x.Interfaces = append(x.Interfaces, y)
	}
	return x
}
