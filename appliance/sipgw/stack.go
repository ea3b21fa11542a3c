// Package sipgw speaks SIP for the box: gateways and their sockets, trust, TLS, ordered transactions, dialogs, digest,
// registrations, OPTIONS probes and session timers.
//
// It owns everything between a socket and a call leg. It does not own what a call is (package call), which way a call goes
// (package route) or what an SDP body means (package sdp): bodies pass through it as bytes.
//
// Goroutines: one read loop per UDP socket, listener and connection, one writer per connection, one dialler per connection being
// opened, one loop of the stack for legs whose owner has ended. A read loop parses a message, matches its transaction and posts
// to the mailbox of the leg's owner, so messages of one connection reach the owner in the order in which they arrived. All
// state of a Leg belongs to its owner's goroutine. Nothing here blocks on the network: writes are queued.
package sipgw

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/config"
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

// Options are what a stack is given.
type Options struct {
	Log      *slog.Logger
	Resolver Resolver
	PKI      KeyStore
	// OnInvite is told of each new INVITE outside a dialog that comes from a trusted source and passed all checks. It is called
	// in a read loop and must not block; it must call Leg.Take or Leg.Reject before it returns.
	OnInvite  func(*Incoming)
	Trace     func(TraceEntry) // every message in and out; may be nil; must not block
	UserAgent string           // Server and User-Agent header; empty: none
}

// TraceEntry is one message on the wire, or one that was dropped before it was parsed (then Dropped says why).
type TraceEntry struct {
	Time          time.Time
	Gateway       string
	Transport     string // "udp", "tcp", "tls"
	Sent          bool
	Local, Remote netip.AddrPort
	Message       []byte // not to be kept or changed
	Dropped       string
}

// Stack is all SIP gateways of the box.
type Stack struct {
	opts Options
	log  *slog.Logger

	mu       sync.Mutex
	gateways map[string]*gateway

	registrations registrations // one per identity that registers (register.go)
	probes        probes        // one per SIP interface with a penalty box (probe.go)

	orphans *Mailbox       // runs legs whose owner has ended
	group   sync.WaitGroup // every goroutine of the stack
}

// New returns a stack without gateways.
func New(o Options) *Stack {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Stack{opts: o, log: o.Log, gateways: map[string]*gateway{}, orphans: NewMailbox()}
}

// Run serves until ctx ends, then closes every socket and waits for every goroutine of the stack.
func (s *Stack) Run(ctx context.Context) error {
	<-ctx.Done()
	s.endWatching() // says good-bye to the registrars, so it comes before the sockets are closed
	return nil
}

// Apply makes the gateways what cfg says; addrs tells which local address a bind stands for now (the zero Addr: none yet).
// It is idempotent: it starts what is new, stops what is gone and leaves everything else, calls included, alone. Errors are
// joined; what is sound is started anyway.
func (s *Stack) Apply(cfg *config.Config, addrs func(config.AddressBind) netip.Addr) error {
	return errors.New("apply: not started")
}

// Invite starts a call leg. It returns at once; everything that happens to it, failures included, comes to o as an event.
func (s *Stack) Invite(o Owner, r Invite) *Leg { return &Leg{} }

// LocalAddr returns the local address that media of a SIP interface binds to, the zero Addr when there is none.
func (s *Stack) LocalAddr(iface string) netip.Addr { return netip.Addr{} }

// Gateways tells what each gateway does now, in the order of their names.
func (s *Stack) Gateways() []GatewayState { return nil }

// GatewayState is a gateway as `show` prints it.
type GatewayState struct {
	Name        string
	Listeners   []ListenerState
	Connections int // open stream connections, both directions
	Legs        int
	Requests    uint64 // received and trusted
	Untrusted   uint64 // datagrams and connections of strangers, dropped
	Malformed   uint64 // messages that could not be parsed
	Refused     uint64 // requests that the check answered with an error
}

// ListenerState is one socket of a gateway.
type ListenerState struct {
	Interface string // of the gateway
	Transport string
	Addr      netip.AddrPort
	Err       error // why it is not open; nil: open
}
