package view

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/fleet/steward"
	"viaduct/appliance/license"
)

// Hub is a hub that is looked at, by a node of it. Open makes one; it is safe for concurrent use.
type Hub struct {
	node     *hub.Node
	registry *hub.Registry
	admin    *nats.Conn
	pools    jetstream.KeyValue

	mu    sync.Mutex
	conns map[string]*nats.Conn // by customer
}

// Open connects to a node that runs.
func Open(ctx context.Context, n *hub.Node) (*Hub, error) {
	h := &Hub{node: n, conns: map[string]*nats.Conn{}}
	var err error
	if h.registry, err = n.Registry(ctx); err != nil {
		return nil, err
	}
	if h.admin, err = n.Admin(); err != nil {
		h.Close()
		return nil, err
	}
	js, err := jetstream.New(h.admin)
	if err == nil {
		err = again(ctx, func() (err error) { h.pools, err = steward.Bucket(ctx, js, n.Replicas()); return err })
	}
	if err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Close ends the connections.
func (h *Hub) Close() {
	h.registry.Close()
	if h.admin != nil {
		h.admin.Close()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Close()
	}
}

// jetStream is that of a customer that the registry has.
func (h *Hub) jetStream(customer string) (jetstream.JetStream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.conns[customer]
	if c == nil {
		var err error
		if c, err = h.node.Steward(customer); err != nil {
			return nil, err
		}
		h.conns[customer] = c
	}
	return jetstream.New(c)
}

// drop ends the connections of customers that are no more.
func (h *Hub) drop(l *hub.Listing) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, c := range h.conns {
		if l.Customers[name] == nil {
			c.Close()
			delete(h.conns, name)
		}
	}
}

// errNoCustomer is wrapped in what Look and the others return for a customer that is none.
var errNoCustomer = errors.New("there is no such customer: `hub customer list` names those that there are")

// Look reads how the fleet of a customer is.
func (h *Hub) Look(ctx context.Context, customer string) (Fleet, error) {
	l, err := h.registry.List(ctx)
	if err != nil {
		return Fleet{}, err
	}
	if l.Customers[customer] == nil {
		return Fleet{}, fmt.Errorf("%s: %w", customer, errNoCustomer)
	}
	return h.look(ctx, l, customer, time.Now())
}

// again calls f until the engine has its users, for a while.
func again(ctx context.Context, f func() error) error {
	const long, pause = 5 * time.Second, 50 * time.Millisecond
	for end := time.Now().Add(long); ; time.Sleep(pause) {
		if err := f(); !hub.Reloads(err) || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

func (h *Hub) look(ctx context.Context, l *hub.Listing, customer string, now time.Time) (f Fleet, err error) {
	err = again(ctx, func() error { f, err = h.lookOnce(ctx, l, customer, now); return err })
	return f, err
}

func (h *Hub) lookOnce(ctx context.Context, l *hub.Listing, customer string, now time.Time) (Fleet, error) {
	s := &source{customer: l.Customers[customer]}
	var err error
	if s.js, err = h.jetStream(customer); err != nil {
		return Fleet{}, err
	}
	if s.pools, err = h.poolsOf(ctx, l, customer, now); err != nil {
		return Fleet{}, err
	}
	return s.look(ctx, now)
}

// poolsOf are the pools of a customer, those without a license too.
func (h *Hub) poolsOf(ctx context.Context, l *hub.Listing, customer string, now time.Time) (list []Pool, err error) {
	book := steward.BookOf(l.Customers[customer], l.Authorities)
	totals := license.PoolTotal(book.Keys, h.node.ID(), now, book.Authorities)
	lent, err := steward.Pools(ctx, h.pools, customer)
	if err != nil {
		return nil, err
	}
	for _, kind := range steward.Kinds {
		p := Pool{Kind: string(kind), Total: totals[kind], shares: map[string]lease.Share{}}
		shares, taken := lent[kind].Shares(now)
		for _, s := range shares {
			p.shares[s.Serial] = s
		}
		p.Leased = taken
		list = append(list, p)
	}
	return list, nil
}

// Alarms shows what boxes of a customer have said of their alarms, the oldest first.
func (h *Hub) Alarms(ctx context.Context, customer string, t Tail, w io.Writer) error {
	return h.tail(ctx, customer, t, fleet.AlarmStream, fleet.KeptAlarmsOf, w, func(m message) (any, string, error) {
		a, err := readAlarm(m)
		return a, a.line(t.Zone), err
	})
}

// Calls shows the records of the calls of a customer's boxes, the oldest first.
func (h *Hub) Calls(ctx context.Context, customer string, t Tail, w io.Writer) error {
	return h.tail(ctx, customer, t, fleet.CallStream, fleet.KeptCallsOf, w, func(m message) (any, string, error) {
		c, err := readCall(m)
		return c, c.line(t.Zone), err
	})
}

func (h *Hub) tail(ctx context.Context, customer string, t Tail, stream string, subject func(string) string, w io.Writer, form form) error {
	l, err := h.registry.List(ctx)
	if err != nil {
		return err
	}
	c := l.Customers[customer]
	if c == nil {
		return fmt.Errorf("%s: %w", customer, errNoCustomer)
	}
	if t.Box != "" && c.Boxes[t.Box] == nil {
		return fmt.Errorf("%s has no box %q: `hub box list` names those that there are", customer, t.Box)
	}
	js, err := h.jetStream(customer)
	if err != nil {
		return err
	}
	return t.show(ctx, js, stream, subject, w, form)
}
