package sipgw

import (
	"context"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// Client sends requests outside dialogs by one gateway. Two clients of the same running gateway are equal.
type Client struct{ g *gateway }

// Client returns the client of a gateway; false: the gateway does not run.
func (s *Stack) Client(gateway string) (Client, bool) {
	g := s.gateway(gateway)
	return Client{g}, g != nil
}

// Target is where a request goes: a name or address, resolved when the request is sent. Port 0: SRV, then the transport's default.
type Target struct {
	Host      string
	Port      uint16
	Transport string // "udp", "tcp", "tls"
}

func (t Target) target() target { return target{t.Host, t.Port, t.Transport} }

// String is the host with its port, if it has one.
func (t Target) String() string { return sipmsg.JoinHostPort(t.Host, t.Port) }

// URI names the target and its transport.
func (t Target) URI() string { return "sip:" + t.String() + transportParam(t.Transport) }

// Transport is what requests to the peer of an interface (nil: a registrar) use, with the account of an identity ("": none).
func (c Client) Transport(i *config.SIPInterface, identity string) string {
	return c.g.Conf().transportFor(i, identity)
}

// Contact is our Contact URI for a peer: that of the side of the gateway on which the peer is. user may be empty.
func (c Client) Contact(user string, to Target) string { return c.g.contact(user, to.target()) }

// Resolve finds the addresses of a target, so that Contact knows on which side it is. It blocks.
func (c Client) Resolve(ctx context.Context, to Target) error {
	_, err := c.g.resolve(ctx, to.target())
	return err
}

// NewRequest builds a request: from and to are URIs, contactUser is the user part of our Contact, which may be empty. It has a Call-ID
// and From tag of its own, and CSeq 1.
func (c Client) NewRequest(method sip.RequestMethod, uri, from, to, contactUser string, where Target, h ...sipmsg.Header) (*sip.Request, error) {
	list := []sipmsg.Header{
		{Name: "Max-Forwards", Value: "70"},
		{Name: "From", Value: "<" + from + ">;tag=" + sipmsg.Token(10)},
		{Name: "To", Value: "<" + to + ">"},
		{Name: "Call-ID", Value: sipmsg.Token(24)},
		{Name: "CSeq", Value: "1 " + string(method)},
		{Name: "Contact", Value: "<" + c.Contact(contactUser, where) + ">"},
	}
	if ua := c.g.stack.opts.UserAgent; ua != "" {
		list = append(list, sipmsg.Header{Name: "User-Agent", Value: ua})
	}
	return sipmsg.NewRequest(string(method), uri, append(list, h...), nil, "")
}

// Do sends a request of NewRequest and waits for its final response. The error is a *TransportError when the peer could not be
// reached, ctx.Err(), or ErrTimeout after 64*T1. It blocks.
func (c Client) Do(ctx context.Context, req *sip.Request, to Target) (*sipmsg.Response, error) {
	where, err := c.g.resolve(ctx, to.target())
	if err != nil {
		return nil, err
	}
	type answer struct {
		res *sipmsg.Response
		err error
	}
	final := make(chan answer, 1)
	tx, err := c.g.begin(req, where, func(res *sipmsg.Response, err error) {
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
		tx.abort()
		return nil, ctx.Err()
	}
}

// ErrTimeout: no final response within 64*T1.
var ErrTimeout = errTimeout
