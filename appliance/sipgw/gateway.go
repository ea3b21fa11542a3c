package sipgw

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"
)

// gateway is one `context sip-gateway`: its transactions and dialogs, on a gate of its own.
type gateway struct {
	*siptransport.Gate
	stack *Stack
	name  string
	log   *slog.Logger

	transactions *siptx.Table
	dialogs      dialogs
}

func (s *Stack) newGateway(name string) *gateway {
	g := &gateway{stack: s, name: name, log: s.log, dialogs: newDialogs()}
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

// authenticator answers challenges with an identity's account.
func authenticator(c *siptransport.Conf, identity string) *sipmsg.Authenticator {
	account := credential(c, identity)
	return sipmsg.NewAuthenticator(account.Username, string(account.Password))
}

// bury keeps the dialog of an ended leg for a moment, for a BYE that crosses ours. What is kept only knows the tags, who may speak, and
// that all is over: the leg itself holds messages and descriptions, and hundreds of legs end in that moment.
func (g *gateway) bury(l *Leg) {
	past := &Leg{stack: l.stack, g: g, iface: l.iface, incoming: l.incoming, counted: l.counted, state: legOver, ownership: ownership{state: orphaned}}
	past.dialog = dialog{callID: strings.Clone(l.callID), localTag: l.localTag, transport: l.transport}
	past.outline.copyOf(&l.outline)
	g.dialogs.add(past)
	time.AfterFunc(siptx.T4, func() { g.dropLeg(past) })
}

// dropLeg forgets a leg that is over.
func (g *gateway) dropLeg(l *Leg) {
	g.dialogs.drop(l)
	if l.incoming {
		l.counted.Ended()
	}
}

var errNoGateway = errors.New("the SIP interface has no running gateway")
