package sipgw

import (
	"errors"
	"log/slog"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// gateway is one `context sip-gateway`: its transactions and dialogs, on a gate of its own.
type gateway struct {
	*siptransport.Gate
	stack *Stack
	name  string
	log   *slog.Logger

	transactions transactions
	dialogs      dialogs
}

func (s *Stack) newGateway(name string) *gateway {
	g := &gateway{stack: s, name: name, log: s.log, transactions: newTransactions(), dialogs: newDialogs()}
	g.Gate = siptransport.New(s.ctx, name, &s.opts.Options, s.spawn, g.received)
	return g
}

// maxDatagram is the largest request that goes over UDP (RFC 3261 18.1.1); responses may be of any size.
const maxDatagram = 1300

// begin starts a client transaction to an endpoint. A request that is too large for UDP goes by TCP, and by UDP after all
// when the peer has no TCP. result is called as clientTx says.
func (g *gateway) begin(req *sip.Request, to siptransport.Endpoint, result func(*sipmsg.Response, error)) (*clientTx, error) {
	branch := sipmsg.NewBranch()
	tx := &clientTx{g: g, req: req, key: clientKey(branch, string(req.Method)), invite: req.Method == sip.INVITE, result: result}
	put := func(transport siptransport.Transport) error {
		e := to
		e.Transport = transport
		way, err := g.Flow(e)
		if err != nil {
			return err
		}
		tx.via = g.Conf().At(transport, way.Local()).Via(transport, branch)
		tx.way, tx.raw = way, sipmsg.Render(req, tx.via)
		return nil
	}
	err := put(to.Transport)
	if err == nil && !to.Transport.Reliable() && len(tx.raw) > maxDatagram && put(siptransport.TCP) == nil {
		tx.fallback = put
	}
	if err != nil {
		return nil, err
	}
	tx.start()
	return tx, nil
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

// dropLeg forgets a leg that is over.
func (g *gateway) dropLeg(l *Leg) {
	g.dialogs.drop(l)
	if l.incoming {
		l.counted.Ended()
	}
}

// isTransport reports whether err says that the peer was not reached.
func isTransport(err error) bool {
	var t *siptransport.Error
	return errors.As(err, &t)
}

var errNoGateway = errors.New("the SIP interface has no running gateway")
