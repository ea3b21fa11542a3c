package sipgw

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// gateway is one `context sip-gateway`: its sockets, connections, transactions and dialogs.
type gateway struct {
	stack   *Stack
	name    string
	log     *slog.Logger
	conf    atomic.Pointer[gatewayConf]
	rewatch chan struct{} // the peers' names changed
	stop    context.CancelFunc
	rate    limiter
	senders senders
	repeats *repeats

	counters struct{ requests, untrusted, malformed, refused, surplus atomic.Uint64 }

	transactions transactions
	dialogs      dialogs

	mu        sync.Mutex // of all that follows
	listeners map[listenKey]*listener
	pool      map[poolKey]*stream // connections of ours that take new requests
	streams   map[*stream]struct{}
	accepted  int // connections of peers
	sources   map[netip.Addr]int
	held      atomic.Int64 // octets that wait on them
	expected  map[netip.Addr]time.Time
	resolved  map[target]resolved
	failing   map[netip.AddrPort]time.Time // addresses that did not answer, until when they come last
}

// gatewayConf is a gateway's part of a configuration, immutable.
type gatewayConf struct {
	cfg            *config.Config
	gw             *config.SIPGateway
	binds          []bound
	interfaces     []*config.SIPInterface // bound to the gateway, in their order
	tlsProfile     *config.TLSProfile
	tlsFingerprint string // changes when the certificate or the rules of TLS change
	tlsErr         error
}

// target is where a request goes: a name or address, resolved when it is sent. Port 0: SRV, then the transport's default.
type target struct {
	host      string
	port      uint16
	transport string // "udp", "tcp", "tls"
}

// transport is what requests to a SIP interface's peer use: "tls", "udp" or "tcp".
func (g *gateway) transport(i *config.SIPInterface) string { return g.transportFor(i, "") }

// transportFor also looks at what the identity's `call outbound` forces.
func (g *gateway) transportFor(i *config.SIPInterface, identity string) string {
	c := g.conf.Load()
	for _, r := range c.gw.Location {
		if l := r.In(c.cfg); l != nil {
			if f, _ := l.Settings(identity); f.CallOutbound != nil && f.CallOutbound.ForceTransport != "" {
				return f.CallOutbound.ForceTransport
			}
		}
	}
	switch {
	case i != nil && i.PenaltyBox.ForceTLS && c.first("tls") != nil:
		return "tls"
	case c.first("udp") == nil && c.first("tls") != nil:
		return "tls"
	}
	return "udp"
}

// maxDatagram is the largest request that goes over UDP (RFC 3261 18.1.1); responses may be of any size.
const maxDatagram = 1300

// begin starts a client transaction to an endpoint. A request that is too large for UDP goes by TCP, and by UDP after all
// when the peer has no TCP. result is called as clientTx says.
func (g *gateway) begin(req *sip.Request, to endpoint, result func(*sipmsg.Response, error)) (*clientTx, error) {
	branch := sipmsg.NewBranch()
	tx := &clientTx{g: g, req: req, key: clientKey(branch, string(req.Method)), invite: req.Method == sip.INVITE, result: result}
	put := func(transport string) error {
		e := to
		e.transport = transport
		way, err := g.way(e)
		if err != nil {
			return err
		}
		tx.via = g.conf.Load().at(transport, way.local()).via(transport, branch)
		tx.way, tx.raw = way, sipmsg.Render(req, tx.via)
		return nil
	}
	err := put(to.transport)
	if err == nil && to.transport == "udp" && len(tx.raw) > maxDatagram && put("tcp") == nil {
		tx.fallback = put
	}
	if err != nil {
		return nil, err
	}
	tx.start()
	return tx, nil
}

// credential is the account with which an identity answers challenges on this gateway.
func (c *gatewayConf) credential(identity string) config.Credential {
	for _, r := range c.gw.Location {
		if l := r.In(c.cfg); l != nil {
			if cred, ok := l.Credential(c.cfg, identity); ok {
				return cred
			}
		}
	}
	return config.Credential{}
}

// authenticator answers challenges with an identity's account.
func (c *gatewayConf) authenticator(identity string) *sipmsg.Authenticator {
	account := c.credential(identity)
	return sipmsg.NewAuthenticator(account.Username, string(account.Password))
}

// dropLeg forgets a leg that is over.
func (g *gateway) dropLeg(l *Leg) {
	g.dialogs.drop(l)
	if l.incoming {
		g.leaves(l)
	}
}

func (g *gateway) trace(transport string, local, remote netip.AddrPort, sent bool, m []byte) {
	if f := g.stack.opts.Trace; f != nil {
		f(TraceEntry{Time: time.Now(), Gateway: g.name, Transport: transport, Sent: sent, Local: local, Remote: remote, Message: m})
	}
}

// stranger counts a connection or datagram that no interface trusts.
func (g *gateway) stranger(transport string, from, local netip.AddrPort, m []byte) {
	g.counters.untrusted.Add(1)
	g.dropped(transport, from, local, m, "not trusted")
}

// dropped traces what was not taken.
func (g *gateway) dropped(transport string, from, local netip.AddrPort, m []byte, why string) {
	if f := g.stack.opts.Trace; f != nil {
		f(TraceEntry{Time: time.Now(), Gateway: g.name, Transport: transport, Local: local, Remote: from, Message: m, Dropped: why})
	}
}

// limiter is what all may do together.
type limiter struct {
	mu sync.Mutex
	bucket
}

// allow takes a token; perSecond 0 is no limit.
func (l *limiter) allow(perSecond int) bool {
	if perSecond <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(float64(perSecond), 1, time.Now())
}

// TransportError says that a peer could not be reached.
type TransportError struct {
	Op   string // "resolve", "dial", "handshake", "send", "write", "connection"
	Peer string
	Err  error
}

func (e *TransportError) Error() string {
	if e.Op == opResolve {
		return e.Err.Error() // names the host itself
	}
	return e.Op + " " + e.Peer + ": " + e.Err.Error()
}
func (e *TransportError) Unwrap() error { return e.Err }

// opResolve is the Op of a TransportError of the name servers.
const opResolve = "resolve"

func noAddress(host string) error { return errors.New(host + " has no address") }

// IsSilence reports whether an error is that of name servers that are silent: the resolver tells of it for all names at once.
func IsSilence(err error) bool {
	var s interface{ Silent() bool }
	return errors.As(err, &s) && s.Silent()
}

// isTransport reports whether err says that the peer was not reached.
func isTransport(err error) bool {
	var t *TransportError
	return errors.As(err, &t)
}

var errNoGateway = errors.New("the SIP interface has no running gateway")
