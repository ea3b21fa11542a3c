// Package bus is a connection to the hub, of a box or of an operator: a fleet.Link that connects again by itself, and the key by which the hub knows
// who it is.
//
// It owns the key, the choice of a node, TLS by CA or pin, the talk with the node in the protocol of NATS over WebSocket, back-off, and the named states
// of all that. It does not own what is said (package fleet) nor who listens, nor names and proxies (package egress).
//
// The client of NATS is our own, in few lines: that of nats.go makes room for as much as a hub announces, and ends the whole program when a hub announces
// nonsense. Here whatever a hub may send has a bound, and nothing of it is kept.
//
// Goroutines: Run, and one that writes and one that looks after each connection while it lasts; Run waits for both. Functions that listen are called on
// that of Run. Without settings nothing is connected and Run sleeps.
package bus

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/status"
)

// Options are what a Bus is given for good.
type Options struct {
	Log    *slog.Logger
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error) // names by the box's own resolver
}

// Settings are who connects to what. The zero value connects to nothing.
type Settings struct {
	Name string            // by which the hub knows the key: of the box, of the operator
	Key  *Key              // nil: nothing is connected
	Hubs []*config.HubNode // tried in a random order
	// Roots are whom the hub's certificate may come from: the CA of the configuration and, where a proxy inspects TLS, that proxy's. Nil: Pin.
	Roots *x509.CertPool
	// Pin is the SHA-256 of the public key in the hub's certificate, or in that of one of its issuers that it shows, as 64 hex digits. What that
	// makes of name and dates stands at tls. "": Roots. When both are given, both must be right.
	Pin   string
	Proxy config.HTTPProxy // zero: none
}

func (s *Settings) on() bool {
	return s.Key != nil && s.Name != "" && len(s.Hubs) > 0 && (s.Roots != nil || s.Pin != "")
}

func (s *Settings) equal(o *Settings) bool {
	same := func(a, b *config.HubNode) bool { return *a == *b }
	return s.Name == o.Name && sameKey(s.Key, o.Key) && slices.EqualFunc(s.Hubs, o.Hubs, same) && (s.Roots == o.Roots || s.Roots != nil && s.Roots.Equal(o.Roots)) &&
		s.Pin == o.Pin && s.Proxy == o.Proxy
}

func sameKey(a, b *Key) bool { return a == b || a != nil && b != nil && a.public == b.public }

// State is how the connection stands.
type State struct {
	State status.FleetState
	Since time.Time
	Hub   string    // the node that it is connected to, HOST:PORT
	Why   string    // it is not connected, as the end of a sentence, printable
	Cure  string    // what can be done about it: sentences; "": nothing is known
	Next  time.Time // attempt

	once bool // it is refused for the first time, which may mean nothing: see pause
}

// Bus is a connection that is kept. It is a fleet.Link.
type Bus struct {
	o     Options
	nudge chan struct{} // one token: there are other settings, or somebody does not want to wait
	dial  func(ctx context.Context, s *Settings, n *config.HubNode) (wire, error)

	mu       sync.Mutex // protects the following
	settings Settings
	cancel   context.CancelCauseFunc // of the attempt or the connection under way
	state    State
	changed  chan struct{} // closed at the next change of connected
	stated   chan struct{} // closed at the next change of state
	session  *session      // nil: not connected
	listens  map[uint64]*listen
	last     uint64 // number of a listen: they go up in their order
}

// listen is a subject that somebody listens to. Its number is that of the subscription.
type listen struct {
	number  uint64
	subject string
	f       func(fleet.Message)
}

var _ fleet.Link = (*Bus)(nil)

// Open makes a Bus that is connected to nothing: Apply says to what, and Run does it.
func Open(o Options) *Bus {
	b := &Bus{o: o, nudge: make(chan struct{}, 1), changed: make(chan struct{}), stated: make(chan struct{}), state: State{Since: time.Now()},
		listens: map[uint64]*listen{}, last: inboxNumber, cancel: func(error) {}}
	b.dial = b.dialHub
	return b
}

// Apply takes settings. Others than before end the connection, and a new one is made at once.
func (b *Bus) Apply(s Settings) {
	s.Hubs = slices.Clone(s.Hubs)
	b.mu.Lock()
	same := s.equal(&b.settings)
	if !same {
		b.settings = s
		b.cancel(errSettings)
	}
	b.mu.Unlock()
	if !same {
		b.Retry()
	}
}

// Retry has the next attempt made now. A connection that is there stays.
func (b *Bus) Retry() {
	select {
	case b.nudge <- struct{}{}:
	default:
	}
}

// State is how the connection stands now.
func (b *Bus) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// Reach waits until there is a connection, for those who do not stay until there is one: the error says why an attempt failed. After one refusal it waits
// for a second one.
func (b *Bus) Reach(ctx context.Context) error {
	for {
		b.mu.Lock()
		s, next := b.state, b.stated
		b.mu.Unlock()
		switch {
		case s.State == status.FleetConnected:
			return nil
		case s.State == status.FleetWaiting, s.State == status.FleetRefused && !s.once:
			return &Unreached{s}
		}
		select {
		case <-next:
		case <-ctx.Done():
			return &Unreached{State{State: s.State, Since: s.Since, Why: cmp.Or(s.Why, "it has not answered yet")}}
		}
	}
}

// Unreached is why there is no connection.
type Unreached struct{ State State }

func (e *Unreached) Error() string {
	text := "the hub is not reached: " + e.State.Why
	if e.State.State == status.FleetRefused {
		text = "the hub refuses us: " + e.State.Why
	}
	if e.State.Cure != "" {
		text += ". " + e.State.Cure
	}
	return text
}

func (e *Unreached) Unwrap() error { return fleet.ErrAway }

var errSettings = errors.New("it is configured anew")
