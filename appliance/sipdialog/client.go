package sipdialog

import (
	"context"
	"errors"
	"net/netip"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// Client sends requests outside dialogs by one gateway. Two clients of the same running gateway are equal.
type Client struct {
	gate         *siptransport.Gate
	transactions *siptx.Table
	userAgent    string
}

// NewClient returns a client of a gateway: its gate and its transactions. userAgent is the User-Agent header; "": none.
func NewClient(gate *siptransport.Gate, transactions *siptx.Table, userAgent string) Client {
	return Client{gate, transactions, userAgent}
}

// Transport is what requests to the peer of an interface (nil: a registrar) use, with the account of an identity ("": none).
func (c Client) Transport(i *config.SIPInterface, identity string) siptransport.Transport {
	return c.gate.Conf().TransportFor(i, identity)
}

// Waits reports whether nobody can be asked by a transport yet. Lifecycle.Applied is told when that is over.
func (c Client) Waits(t siptransport.Transport) bool { return c.gate.Waits(t) }

// Contact is our Contact URI for a peer: that of the side of the gateway on which the peer is. user may be empty.
func (c Client) Contact(user string, to siptransport.Target) string { return c.gate.Contact(user, to) }

// Resolve finds the addresses of a target, so that Contact knows on which side it is. It blocks.
func (c Client) Resolve(ctx context.Context, to siptransport.Target) error {
	_, err := c.gate.Resolve(ctx, to)
	return err
}

// NewRequest builds a request: from and to are URIs, contactUser is the user part of our Contact, which may be empty. It has a Call-ID
// and From tag of its own, and CSeq 1.
func (c Client) NewRequest(method sip.RequestMethod, uri, from, to, contactUser string, where siptransport.Target, h ...sipmsg.Header) (*sip.Request, error) {
	list := []sipmsg.Header{
		{Name: "Max-Forwards", Value: "70"},
		{Name: "From", Value: "<" + from + ">;tag=" + sipmsg.Token(10)},
		{Name: "To", Value: "<" + to + ">"},
		{Name: "Call-ID", Value: sipmsg.Token(24)},
		{Name: "CSeq", Value: "1 " + string(method)},
		{Name: "Contact", Value: "<" + c.Contact(contactUser, where) + ">"},
	}
	if ua := c.userAgent; ua != "" {
		list = append(list, sipmsg.Header{Name: "User-Agent", Value: ua})
	}
	return sipmsg.NewRequest(string(method), uri, append(list, h...), nil, "")
}

// Written is a request as the gateway would send it to a target, and the address that it would send it from: for a connection of its own, which
// the gateway does not know.
func (c Client) Written(req *sip.Request, to siptransport.Target) (text []byte, from netip.Addr) {
	side := c.gate.Towards(to)
	return sipmsg.Render(req, side.Via(to.Transport, sipmsg.NewBranch())), side.Address()
}

// Do sends a request of NewRequest and waits for its final response. The error is a *siptransport.Error when the peer
// could not be reached, ctx.Err(), or ErrTimeout after 64*T1. It blocks.
func (c Client) Do(ctx context.Context, req *sip.Request, to siptransport.Target) (*sipmsg.Response, error) {
	where, err := c.gate.Resolve(ctx, to)
	if err != nil {
		return nil, err
	}
	type answer struct {
		res *sipmsg.Response
		err error
	}
	final := make(chan answer, 1)
	tx, err := c.transactions.Begin(req, where, func(res *sipmsg.Response, err error) {
		if err != nil || res.StatusCode >= 200 {
			final <- answer{res, err} // comes once
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case a := <-final:
		return a.res, a.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			siptransport.Retire(tx.Flow()) // perhaps it leads nowhere any more
		}
		tx.Abort()
		return nil, ctx.Err()
	}
}

// Begin sends a request and does not wait. done is given its final response or an error, once: maybe before Begin returns, and under the lock of
// the transaction. It may only take note. A name whose address is not known is an error.
func (c Client) Begin(req *sip.Request, to siptransport.Target, done func(*sipmsg.Response, error)) {
	where, ok := c.gate.ResolveNow(to)
	if !ok {
		done(nil, &siptransport.Error{Op: siptransport.OpResolve, Peer: to.Host, Err: errors.New("its address is not known")})
		return
	}
	_, err := c.transactions.Begin(req, where, func(res *sipmsg.Response, err error) {
		if err != nil || res.StatusCode >= 200 {
			done(res, err)
		}
	})
	if err != nil {
		done(nil, err)
	}
}

// ErrTimeout: no final response within 64*T1.
var ErrTimeout = siptx.ErrTimeout
