package siptransport

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pair"
	"viaduct/appliance/pki"
	"viaduct/appliance/sipmsg"
)

// Resolver finds addresses; package names implements it.
type Resolver interface {
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error)
	Cached(host string) []netip.Addr // never blocks: what is known now, nil when nothing is
}

// KeyStore holds certificates and keys under their names without the "pki:" class; pki.Store is the same.
type KeyStore interface {
	Certificates(name string) ([]*x509.Certificate, error)
	PrivateKey(name string) (crypto.Signer, error)
}

// Options are the same for every gate.
type Options struct {
	Log      *slog.Logger
	Resolver Resolver
	PKI      KeyStore
	Network  Network // nil: the host's
	// OnUnknownIssuer is told of each peer whose certificate comes from an authority that is not trusted; may be nil; must not block.
	OnUnknownIssuer func(gateway, peer string, e *pki.UnknownIssuer)
	// OnChain is told of the certificates of each peer that is dialled, and of why they were refused; may be nil; must not block.
	OnChain func(gateway, peer string, chain []*x509.Certificate, refused error)
	// OnAlert is told of each peer that has opened a connection and refused our certificate, with the name of its TLS alert ("unknown_ca") and what
	// we showed, leaf first; may be nil; must not block.
	OnAlert func(gateway string, from netip.AddrPort, alert string, chain []*x509.Certificate)
	// OnLost is told of each connection of a peer that has ended; may be nil; must not block.
	OnLost func(FlowID)
	// Sessions is how many calls there may be at once, for the default of what one source may begin; may be nil.
	Sessions func() int
	// Clock says why certificates cannot be judged yet, nil when they can: until then no TLS begins. May be nil.
	Clock func() error
	Trace func(TraceEntry) // every message in and out; may be nil; must not block
	// Term is how long the box may speak for its pair: nothing leaves when it is over. nil: the box stands alone.
	Term *pair.Term
	// Pair has the other box of the pair know the connections, for Knock. nil: there is no other box.
	Pair pair.Sender
}

// SetDefaults fills in the network of the box itself, and a log that discards everything.
func (o *Options) SetDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Network == nil {
		o.Network = &host{}
	}
}

// Gate is the transport of one gateway: its sockets and connections, the peers that it listens to, and the limits of each.
type Gate struct {
	name    string
	log     *slog.Logger
	opts    *Options
	ctx     context.Context
	hush    context.CancelFunc // ends ctx
	spawn   func(func()) bool
	receive func(head, body []byte, f sipmsg.Framing, a Arrival)

	conf    atomic.Pointer[Conf]
	silent  atomic.Bool   // see Silence
	parted  atomic.Bool   // see Disconnect
	closed  atomic.Bool   // see Close
	rewatch chan struct{} // the peers' names changed
	stop    context.CancelFunc
	senders senders

	Repeats  *Repeats
	Counters Counters
	owners   owners

	sockets     sockets
	connections connections
	addresses   addresses
	resolutions resolutions
}

// Counters count incoming messages by their fate.
type Counters struct{ Requests, Untrusted, Malformed, Refused, Surplus, Shed atomic.Uint64 }

// New returns the gate of a gateway, without sockets. It ends with ctx. spawn starts its goroutines and returns false if everything ends.
// receive gets each message, in the read loop of its socket or connection; it must not keep head and body.
func New(ctx context.Context, name string, o *Options, spawn func(func()) bool, receive func(head, body []byte, f sipmsg.Framing, a Arrival)) *Gate {
	g := &Gate{name: name, log: o.Log, opts: o, spawn: spawn, receive: receive, rewatch: make(chan struct{}, 1),
		sockets: sockets{listeners: map[listenKey]*listener{}}, connections: emptyConnections(), addresses: newAddresses(),
		resolutions: resolutions{known: map[Target]resolved{}}, senders: newSenders(),
		Repeats: NewRepeats(o.Log)}
	g.ctx, g.hush = context.WithCancel(ctx)
	g.conf.Store(&Conf{Config: config.New(), Gateway: &config.SIPGateway{Name: name}})
	return g
}

// Conf is the present configuration of the gate.
func (g *Gate) Conf() *Conf { return g.conf.Load() }

// Secured reports whether the gate has TLS.
func (g *Gate) Secured() bool {
	c := g.conf.Load()
	return c.tlsFingerprint != "" && c.tlsErr == nil
}

// Waits reports whether a transport cannot be used yet, for the clock: another configuration comes when it is right.
func (g *Gate) Waits(t Transport) bool { return t.Secure() && g.conf.Load().tlsWaits }

// Configure takes a configuration and closes the sockets that are not in it. It reports whether all TLS connections are opened anew.
func (g *Gate) Configure(c *Conf) (anew bool) {
	c.countAs(g.conf.Load())
	old := g.conf.Swap(c)
	anew = old.tlsFingerprint != "" && old.tlsFingerprint != c.tlsFingerprint
	g.sockets.closeExcept(c.sockets())
	retire := g.connections.pick(func(s *stream) bool { return s.kind.Secure() && anew })
	trusted := g.connections.pick(func(s *stream) bool { return s.trusted && !(s.kind.Secure() && anew) })
	for _, s := range retire {
		s.retire()
	}
	for _, s := range trusted {
		if !g.Trusts(s.Remote().Addr()) {
			s.retire()
		}
	}
	select {
	case g.rewatch <- struct{}{}:
	default:
	}
	return anew
}

// Open opens the sockets that are missing.
func (g *Gate) Open() error {
	var errs []error
	for k, iface := range g.conf.Load().sockets() {
		if g.sockets.has(k) || g.Silent() {
			continue
		}
		l := g.listen(iface, k)
		g.sockets.add(l)
		if l.err != nil {
			errs = append(errs, l.err)
		} else {
			g.log.Info("listening", "gw", g.name, "if", iface, "name", k.addr.String()+"/"+k.transport.String())
		}
	}
	return errors.Join(errs...)
}

// Watch starts to look up the names of all peers from time to time.
func (g *Gate) Watch() {
	if g.stop == nil {
		ctx, cancel := context.WithCancel(g.ctx)
		g.stop = cancel
		g.spawn(func() { g.watch(ctx) })
	}
}

// Close ends every socket and connection of the gateway. Its calls notice with their next message.
func (g *Gate) Close() {
	g.closed.Store(true)
	if g.stop != nil {
		g.stop()
	}
	g.sockets.closeExcept(nil)
	for _, s := range g.connections.pick(anyStream) {
		s.close(errConnClosed)
	}
	g.hush()
}

// Silence has nothing leave the gate from now on, not even the end of a connection: another box speaks in the place of this one. It is never
// taken back.
func (g *Gate) Silence() {
	g.silent.Store(true)
	g.hush() // nor a handshake
}

// Silent reports whether Silence was called.
func (g *Gate) Silent() bool { return g.silent.Load() }

// Speaks reports whether the gate may act now. It neither sends anything otherwise, nor takes what comes: a box that hung, and whose calls are
// another one's by now, must not hear of their end.
func (g *Gate) Speaks() bool { return !g.silent.Load() && g.opts.Term.Runs() }

var errSilent = errors.New("another box speaks in the place of this one")

// Disconnect ends all connections as they should end, and has no new ones: their peers are to open them to the box that takes the place of this
// one. What they would be told of a lost connection nobody is told. Datagrams go on.
func (g *Gate) Disconnect() {
	g.sockets.deaf(true)
	const look = 2 * time.Millisecond
	for end := time.Now().Add(lastWords); len(g.connections.pick((*stream).says)) > 0 && time.Now().Before(end); {
		time.Sleep(look)
	}
	g.parted.Store(true)
	for _, s := range g.connections.pick(anyStream) {
		s.close(errSilent)
	}
}

// lastWords is how long connections that are ended have to say what waits, and to come through their handshakes: a peer whose request was taken
// hears so and does not send it again, and one whose connection breaks in the handshake takes the box for unreachable.
const lastWords = 200 * time.Millisecond

// Reconnect lets connections in again.
func (g *Gate) Reconnect() {
	g.parted.Store(false)
	g.sockets.deaf(false)
}

// connects reports whether there may be connections.
func (g *Gate) connects() bool { return g.Speaks() && !g.parted.Load() }

// Dials reports whether the gate may open connections.
func (g *Gate) Dials() bool { return g.connects() && !g.closed.Load() }

// Incomplete reports whether a socket of the gateway is missing.
func (g *Gate) Incomplete() bool {
	for _, b := range g.conf.Load().binds {
		if !b.addr.IsValid() {
			return true
		}
	}
	return g.sockets.broken()
}
