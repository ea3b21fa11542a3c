// Package steward serves the boxes of one customer at the hub: it makes the streams in which their alarms, records and states are kept, lends them
// licenses out of the customer's pools, and ends keys that boxes want ended.
//
// It owns how requests become changes of a pool: one worker for each kind of license takes all that have come meanwhile, asks package lease what
// follows, writes the pool by compare-and-set, and only answers what most nodes have acknowledged. It does not own the rules of lending (package
// lease), statements and keys (package license), nor who may use the hub (package hub). Each node of a hub has a steward of each customer; requests go
// to one of them, that of the node to which the box is connected if there is one.
//
// A request that cannot be written is no refusal: to the box that is the same as a hub that is away, and so it has its grace.
//
// Goroutines of Run: one a kind, one that ends keys, one that tells news, and those of NATS that receive. Run waits for its own.
package steward

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"viaduct/appliance/fleet"
	"viaduct/appliance/license"
)

// Kinds are the licenses that have pools. Each is a key of the bucket.
var Kinds = []license.Kind{license.SIPSessions, license.SRTPChannels}

// Options make a Steward.
type Options struct {
	Customer string
	Node     string             // of the hub, by its name
	Conn     *nats.Conn         // in the customer's account, with all rights there; it connects again by itself
	Pools    jetstream.KeyValue // of Bucket
	Replicas int                // nodes of the hub
	Store    int64              // octets that the streams may have together, on each node
	Key      ed25519.PrivateKey // signs leases
	EndKey   func(ctx context.Context, box, key, next string) error
	Audit    func(who, what string) error // of the node
	Log      *slog.Logger
}

// Steward serves one customer at one node. New makes one.
type Steward struct {
	Options
	hub     string // of license keys
	js      jetstream.JetStream
	queues  map[license.Kind]chan request
	retires chan retire
	changed chan struct{} // one token: the book is another one
	known   chan struct{} // closed at the first Set

	mu    sync.Mutex
	book  *Book // nil before Set
	pools *pools
	limit limiter
}

// request is a LeaseRequest that came.
type request struct {
	box  string
	ask  fleet.LeaseRequest
	from *nats.Msg
}

type retire struct {
	box  string
	next string
	from *nats.Msg
}

const (
	queued     = 1024                   // requests of a kind that wait; each box has few of them
	together   = 256                    // of them in one change of a pool
	patience   = 8 * time.Second        // for a pool to be written; a box asks again before
	apart      = 2 * time.Millisecond   // between two boxes that are told news: they all ask then
	retry      = 500 * time.Millisecond // while the streams cannot be made
	pending    = 4096                   // messages that NATS keeps for us,
	pendingAll = 16 << 20               // and their octets
	maxRequest = 1024                   // octets
)

// New makes a steward that knows no box yet.
func New(o Options) (*Steward, error) {
	js, err := jetstream.New(o.Conn)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	s := &Steward{
		Options: o, js: js, hub: license.HubID(o.Key.Public().(ed25519.PublicKey)), queues: map[license.Kind]chan request{},
		retires: make(chan retire, 16), changed: make(chan struct{}, 1), known: make(chan struct{}), limit: limiter{},
	}
	for _, k := range Kinds {
		s.queues[k] = make(chan request, queued)
	}
	return s, nil
}

// Set has the steward go by a book. It serves nobody before it has one.
func (s *Steward) Set(b *Book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book == nil {
		close(s.known)
	}
	s.book, s.pools = b, nil
	s.limit.keep(func(box string) bool { _, known := b.Boxes[box]; return known })
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Run makes the streams, and serves until ctx ends.
func (s *Steward) Run(ctx context.Context) error {
	for said := ""; ; {
		err := Streams(ctx, s.js, s.Replicas, s.Store)
		if err == nil {
			break
		}
		if text := err.Error(); text != said && ctx.Err() == nil {
			s.Log.Warn("streams not made yet", "customer", s.Customer, "err", err)
			said = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
	select {
	case <-ctx.Done():
		return nil
	case <-s.known:
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for kind, queue := range s.queues {
		running.Go(func() { s.lend(ctx, s.Pools, kind, queue) })
	}
	running.Go(func() { s.endKeys(ctx) })
	before := s.judged(time.Now()) // whoever is answered from now on hears of what changes later
	running.Go(func() { s.tellNews(ctx, before) })
	for _, x := range []struct { // leases come last: a box that has one finds all else served
		subject string
		f       nats.MsgHandler
	}{
		{fleet.AlarmsOf("*"), func(m *nats.Msg) { s.keep(m, fleet.KeptAlarmsOf) }},
		{fleet.CallsOf("*"), func(m *nats.Msg) { s.keep(m, fleet.KeptCallsOf) }},
		{fleet.SeenOf("*", "*"), func(m *nats.Msg) { s.seenAsked(ctx, m) }},
		{fleet.RetireOf("*"), s.retireAsked},
		{fleet.LeaseOf("*"), s.leaseAsked},
	} {
		sub, err := s.Conn.QueueSubscribe(x.subject, "steward", x.f)
		if err != nil {
			return fmt.Errorf("listen to %s: %w", x.subject, err)
		}
		defer sub.Unsubscribe()
		if err := sub.SetPendingLimits(pending, pendingAll); err != nil {
			return fmt.Errorf("listen to %s: %w", x.subject, err)
		}
	}
	s.Log.Info("steward serves", "customer", s.Customer)
	<-ctx.Done()
	return nil
}

// admit reports whether a request of a box is served; release is called when it is answered. A box that this node does not know, as it was added a moment
// ago or the registry could not be read yet, gets no answer and asks again; one that is revoked cannot ask.
//
// The answer goes to the box's own inbox alone: whoever asks says where to, and NATS does not look whether he might send there himself.
func (s *Steward) admit(m *nats.Msg, box string) bool {
	if len(m.Data) > maxRequest || !strings.HasPrefix(m.Reply, fleet.Inbox(box)+".") {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book == nil {
		return false
	}
	_, known := s.book.Boxes[box]
	return known && s.limit.take(box, time.Now())
}

func (s *Steward) release(box string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit.done(box)
}

// leaseAsked takes a LeaseRequest.
func (s *Steward) leaseAsked(m *nats.Msg) {
	box := boxOf(m.Subject)
	if !s.admit(m, box) {
		return
	}
	var ask fleet.LeaseRequest
	if err := json.Unmarshal(m.Data, &ask); err != nil {
		s.done(m, fleet.LeaseReply{Error: "the request is damaged"})
		return
	}
	queue := s.queues[license.Kind(ask.Kind)]
	if queue == nil {
		s.done(m, fleet.LeaseReply{Error: "the hub has no pool of this kind of license"})
		return
	}
	ask.Serial = strings.ToUpper(ask.Serial)
	select {
	case queue <- request{box, ask, m}:
	default: // it asks again
		s.release(box)
	}
}

// retireAsked takes a Retire.
func (s *Steward) retireAsked(m *nats.Msg) {
	box := boxOf(m.Subject)
	if !s.admit(m, box) {
		return
	}
	var r fleet.Retire
	if err := json.Unmarshal(m.Data, &r); err != nil || !nkeys.IsValidPublicUserKey(r.Next) {
		s.done(m, fleet.Answer{Error: "the request is damaged"})
		return
	}
	select {
	case s.retires <- retire{box, r.Next, m}:
	default:
		s.release(box)
	}
}

// endKeys ends keys of boxes, one after the other.
func (s *Steward) endKeys(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-s.retires:
			s.endKey(ctx, r)
		}
	}
}

func (s *Steward) endKey(ctx context.Context, r retire) {
	s.mu.Lock()
	key := s.book.Boxes[r.box].Key
	s.mu.Unlock()
	if key == r.next { // the hub has taken the next one already, and this is late
		s.done(r.from, fleet.Answer{})
		return
	}
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.EndKey(soon, r.box, key, r.next); err != nil {
		s.Log.Warn("key of a box not ended", "customer", s.Customer, "box", r.box, "err", err)
		s.done(r.from, fleet.Answer{Error: "the hub could not end the key: try again"})
		return
	}
	if err := s.Audit("box:"+r.box, "key of "+r.box+" of "+s.Customer+" ended, as the box wanted; it has made "+r.next); err != nil {
		s.Log.Error("audit trail not written", "err", err)
	}
	s.Log.Info("key of a box ended, as the box wanted", "customer", s.Customer, "box", r.box, "next", r.next)
	s.done(r.from, fleet.Answer{})
}

// done answers a request, which so has its end.
func (s *Steward) done(m *nats.Msg, answer any) {
	s.release(boxOf(m.Subject))
	text, err := json.Marshal(answer)
	if err == nil {
		err = m.Respond(text)
	}
	if err != nil {
		s.Log.Debug("answer not sent", "customer", s.Customer, "subject", m.Subject, "err", err)
	}
}

// boxOf is the box of a subject, which NATS has let nobody else use.
func boxOf(subject string) string {
	_, rest, _ := strings.Cut(subject, ".")
	box, _, _ := strings.Cut(rest, ".")
	return box
}
