package sipgw

import (
	"context"
	"errors"
	"net/netip"

	"viaduct/appliance/config"

	"github.com/emiago/sipgo/sip"
)

// gateway is one `context sip-gateway`: its sockets, connections, transactions and dialogs.
type gateway struct {
	stack *Stack
	name  string
}

// target is where a request goes: a name or address, resolved when it is sent. Port 0: SRV, then the transport's default.
type target struct {
	host      string
	port      uint16
	transport string // "udp", "tcp", "tls"
}

// do sends a request outside a dialog (REGISTER, OPTIONS) and waits for its final response. The error is a *TransportError
// when the peer could not be reached, ctx.Err(), or errTimeout after 64*T1. req needs its method, Request-URI, From, To, Call-ID
// and CSeq; Via, Max-Forwards and User-Agent are added here. It blocks.
func (g *gateway) do(ctx context.Context, req *sip.Request, to target) (*sip.Response, error) {
	return nil, errors.New("not started")
}

// newRequest builds a request outside a dialog: from and to are URIs, contactUser is the user part of our Contact ("" none, and
// then no @). A new Call-ID and From tag; CSeq 1. The Contact is that of the gateway for the transport, spoofed if configured.
func (g *gateway) newRequest(method sip.RequestMethod, uri, from, to, contactUser string, transport string, h ...Header) (*sip.Request, error) {
	return nil, errors.New("not started")
}

// contact is our Contact URI for a transport, for example "sip:user@sbc.example:5062;transport=tls".
func (g *gateway) contact(user, transport string) string { return "" }

// transport is what requests to a SIP interface's peer use: "tls", "udp" or "tcp".
func (g *gateway) transport(i *config.SIPInterface) string { return "udp" }

// local is the address that requests leave from over a transport; zero: no such listener.
func (g *gateway) local(transport string) netip.Addr { return netip.Addr{} }

// TransportError says that a peer could not be reached.
type TransportError struct {
	Op   string // "resolve", "dial", "handshake", "write"
	Peer string
	Err  error
}

func (e *TransportError) Error() string { return e.Op + " " + e.Peer + ": " + e.Err.Error() }
func (e *TransportError) Unwrap() error { return e.Err }

// errTimeout: no final response within 64*T1.
var errTimeout = errors.New("no response")
