package steward

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet/hub"
	"viaduct/appliance/license"
)

// Service is a steward for each customer of the registry, at a node.
func Service(n *hub.Node, log *slog.Logger) hub.Service { return &service{node: n, log: log} }

type service struct {
	node *hub.Node
	log  *slog.Logger
}

// serving is the steward of one customer while it runs.
type serving struct {
	stop  func()
	books chan *Book // the newest one
	last  *Book
}

// Run implements hub.Service. One goroutine follows the registry, and one makes and runs the steward of each customer.
func (s *service) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.again(ctx, "the registry is not followed", func() error {
		registry, err := s.node.Registry(ctx)
		if err != nil {
			return err
		}
		defer registry.Close()
		admin, err := s.node.Admin()
		if err != nil {
			return err
		}
		defer admin.Close()
		js, err := jetstream.New(admin)
		if err != nil {
			return err
		}
		pools, err := Bucket(ctx, js, s.node.Replicas())
		if err != nil {
			return err
		}
		all := map[string]*serving{}
		defer running.Wait() // they use the connections
		defer func() {
			for _, x := range all {
				x.stop()
			}
		}()
		return registry.Watch(ctx, func(l *hub.Listing) {
			for name, x := range all {
				if l.Customers[name] == nil {
					x.stop()
					delete(all, name)
				}
			}
			for name, c := range l.Customers {
				x := all[name]
				if x == nil {
					own, stop := context.WithCancel(ctx)
					x = &serving{stop: stop, books: make(chan *Book, 1)}
					all[name] = x
					o := s.options(c, registry, pools)
					running.Go(func() { s.serve(own, o, x.books) })
				}
				x.take(BookOf(c, l.Authorities))
			}
		})
	})
}

// options are those of the steward of a customer, but for its connection.
func (s *service) options(c *hub.Customer, registry *hub.Registry, pools jetstream.KeyValue) Options {
	return Options{
		Customer: c.Name, Node: s.node.Name(), Pools: pools, Replicas: s.node.Replicas(), Store: c.Store, Key: s.node.LeaseKey(), Audit: s.node.Audit, Log: s.log,
		EndKey: func(ctx context.Context, box, key, next string) error {
			return registry.EndKey(ctx, c.Name, box, key, next)
		},
	}
}

// take has the steward go by a book, if that is another one.
func (x *serving) take(b *Book) {
	if reflect.DeepEqual(b, x.last) {
		return
	}
	x.last = b
	select {
	case <-x.books: // not taken yet
	default:
	}
	x.books <- b
}

// serve runs the steward of a customer until ctx ends.
func (s *service) serve(ctx context.Context, o Options, books <-chan *Book) {
	var last *Book
	s.again(ctx, "customer not served", func() error {
		var err error
		if o.Conn, err = s.node.Steward(o.Customer, nats.RetryOnFailedConnect(true), nats.ErrorHandler(complaints(o.Customer, s.log))); err != nil { // the engine may not know the customer yet
			return err
		}
		defer o.Conn.Close()
		steward, err := New(o)
		if err != nil {
			return err
		}
		if last != nil {
			steward.Set(last)
		}
		var running sync.WaitGroup
		defer running.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		running.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case last = <-books:
					steward.Set(last)
				}
			}
		})
		return steward.Run(ctx)
	})
}

// complainPause is between two lines about what a connection complains of.
const complainPause = time.Minute

// complaints logs what a connection complains of, which is mostly that requests were dropped: a box that sends without end can have that happen at
// any rate, and must not fill the journal. NATS calls the handler of a connection from one goroutine.
func complaints(customer string, log *slog.Logger) nats.ErrHandler {
	var last time.Time
	more := 0
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if now := time.Now(); last.IsZero() || now.Sub(last) >= complainPause {
			log.Warn("the steward's connection has trouble", "customer", customer, "err", err, "unsaid", more)
			last, more = now, 0
			return
		}
		more++
	}
}

// again calls f until ctx ends: it ends early only when something is wrong.
func (s *service) again(ctx context.Context, what string, f func() error) error {
	for {
		err := f()
		if ctx.Err() != nil {
			return nil
		}
		s.log.Warn(what, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

// BookOf is what the registry says of a customer.
func BookOf(c *hub.Customer, authorities map[string]*hub.Authority) *Book {
	b := &Book{Boxes: map[string]Box{}}
	for _, a := range hub.Sorted(authorities) {
		b.Authorities = append(b.Authorities, &config.LicenseAuthority{Name: a.Name, Key: a.Key})
	}
	for _, k := range hub.Sorted(c.Licenses) {
		b.Keys = append(b.Keys, k.Key)
	}
	for name, x := range c.Boxes {
		if x.State() == hub.BoxRevoked {
			continue
		}
		box := Box{Serial: x.Serial, Key: x.Key, Limits: map[license.Kind]Limit{}}
		for kind, l := range x.Limits {
			box.Limits[license.Kind(kind)] = Limit{l.Min, l.Max}
		}
		b.Boxes[name] = box
	}
	return b
}
