package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/license"
)

// Bounds of what a hub keeps.
const (
	maxCustomers   = 200
	maxBoxes       = 5000 // of a customer
	maxOperators   = 100
	maxLicenses    = license.MaxPoolKeys
	maxAuthorities = 20
	maxEnded       = 8 // keys of a box that are remembered as ended
)

const (
	bucket    = "registry"
	reconnect = 250 * time.Millisecond
	patience  = 10 * time.Second // for one answer of the registry
)

// Keys of the bucket. Boxes and operators of a customer share their names, because they share the space of inboxes.
func customerKey(name string) string         { return "customer." + name }
func memberKey(customer, name string) string { return "member." + customer + "." + name }
func licenseKey(customer, id string) string  { return "license." + customer + "." + id }
func authorityKey(name string) string        { return "authority." + name }
func splitKey(key string) (kind, rest string) {
	kind, rest, _ = strings.Cut(key, ".")
	return kind, rest
}

// Registry is the hub's list of who belongs to it, in JetStream, so that all nodes have the same.
type Registry struct {
	node *Node
	conn *nats.Conn
	kv   jetstream.KeyValue
}

// Registry connects to the node and opens its registry, which closes at the end of ctx.
func (n *Node) Registry(ctx context.Context) (*Registry, error) {
	conn, err := n.Admin()
	if err != nil {
		return nil, err
	}
	r := &Registry{node: n, conn: conn}
	context.AfterFunc(ctx, conn.Close) // what still waits for an answer of a hub that has no leader ends with it
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for {
		if r.kv, err = n.bucket(ctx, conn); err == nil {
			return r, nil
		}
		select {
		case <-ctx.Done():
			conn.Close()
			return nil, fmt.Errorf("the registry cannot be read: do two of three nodes run? %w", err)
		case <-time.After(reconnect):
		}
	}
}

// bucket opens the bucket of the registry, or makes it.
func (n *Node) bucket(ctx context.Context, conn *nats.Conn) (jetstream.KeyValue, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(ctx, time.Second) // without a leader nobody answers
	defer stop()
	kv, err := js.KeyValue(ctx, bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = Bucket(ctx, js, jetstream.StreamConfig{Name: bucket, Replicas: n.Replicas(), MaxBytes: registryStore / 2})
	}
	return kv, err
}

// Bucket makes a bucket with the bounds of c, or gives these to one that is there, and opens it. It is a stream of our own making, as one that the library makes is read from any
// replica: one that lags behind would have every compare-and-set fail until it has caught up.
func Bucket(ctx context.Context, js jetstream.JetStream, c jetstream.StreamConfig) (jetstream.KeyValue, error) {
	name := c.Name
	c.Name, c.Subjects = "KV_"+name, []string{"$KV." + name + ".>"}
	c.Storage, c.Discard, c.MaxMsgs, c.MaxMsgsPerSubject = jetstream.FileStorage, jetstream.DiscardNew, -1, 1
	c.AllowRollup, c.DenyDelete, c.AllowDirect = true, true, false
	if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
		return nil, fmt.Errorf("make the bucket %s: %w", name, err)
	}
	return js.KeyValue(ctx, name)
}

// Close ends the connection.
func (r *Registry) Close() { r.conn.Close() }

// create writes what must not be there yet. The error is errTaken when it is.
func (r *Registry) create(ctx context.Context, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	err = steady(ctx, func() (err error) { _, err = r.kv.Create(ctx, key, text); return err })
	if errors.Is(err, jetstream.ErrKeyExists) {
		return errTaken
	}
	return registryError(err)
}

var (
	errTaken   = errors.New("it is taken")
	errMissing = errors.New("it is not there")
)

// steady calls f until the hub has somebody who answers: while the engine takes new users it does not know for a moment that an account has JetStream.
func steady(ctx context.Context, f func() error) error {
	for {
		err := f()
		if !Reloads(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(reconnect / 5):
		}
	}
}

// Reloads reports whether an error is that of an engine that takes new users: it is without JetStream for a moment then. The library still watches by its
// older half, which has errors of its own.
func Reloads(err error) bool {
	for _, passing := range []error{
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount, jetstream.ErrNoStreamResponse, nats.ErrNoResponders, nats.ErrJetStreamNotEnabled,
		nats.ErrJetStreamNotEnabledForAccount, nats.ErrNoStreamResponse,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// registryError is a failure of the registry as a sentence.
func registryError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrTimeout) {
		return fmt.Errorf("the registry does not answer: do two of three nodes run? %w", err)
	}
	return err
}

// change reads a value, has it changed and writes it, again when somebody else has changed it meanwhile. The error is errMissing when it is not there.
func change[T any](ctx context.Context, r *Registry, key string, f func(*T) error) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for {
		var e jetstream.KeyValueEntry
		err := steady(ctx, func() (err error) { e, err = r.kv.Get(ctx, key); return err })
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return errMissing
		} else if err != nil {
			return registryError(err)
		}
		var value T
		if err := json.Unmarshal(e.Value(), &value); err != nil {
			return fmt.Errorf("read %s in the registry: %w", key, err)
		}
		if err := f(&value); err != nil {
			return err
		}
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		err = steady(ctx, func() (err error) { _, err = r.kv.Update(ctx, key, text, e.Revision()); return err })
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return registryError(err)
		}
	}
}

// List reads the whole registry.
func (r *Registry) List(ctx context.Context) (*Listing, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	var first *Listing
	err := r.Watch(ctx, func(l *Listing) { first = l; stop() })
	if first != nil {
		return first, nil
	}
	return nil, registryError(err)
}

// Watch calls f with the whole registry, and again after each change, until ctx ends. What f gets is not changed afterwards. Changes that
// come together are one. A node whose disk was exchanged may be the one that answers, and it has less than the others until it has caught up: f is not called before
// all has come that the hub had when the watch began.
func (r *Registry) Watch(ctx context.Context, f func(*Listing)) error {
	last, err := r.last(ctx)
	if err != nil {
		return fmt.Errorf("ask how far the registry is: %w", err)
	}
	var w jetstream.KeyWatcher
	err = steady(ctx, func() (err error) { w, err = r.kv.WatchAll(ctx); return err })
	if err != nil {
		return fmt.Errorf("watch the registry: %w", err)
	}
	defer w.Stop()
	raw, complete, seen := map[string]jetstream.KeyValueEntry{}, false, uint64(0)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, open := <-w.Updates():
			switch {
			case !open:
				return errors.New("the watch of the registry has ended")
			case e == nil:
				complete = true
			case e.Operation() == jetstream.KeyValuePut:
				raw[e.Key()] = e
			default:
				delete(raw, e.Key())
			}
			if e != nil {
				seen = max(seen, e.Revision())
			}
			if complete && seen >= last && len(w.Updates()) == 0 {
				f(listing(raw))
			}
		}
	}
}

// last is the revision of the newest entry, as the node says that leads the bucket. Each key keeps its newest entry, so a watch comes to it.
func (r *Registry) last(ctx context.Context) (last uint64, err error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	err = steady(ctx, func() error {
		ctx, stop := context.WithTimeout(ctx, time.Second) // without a leader nobody answers
		defer stop()
		s, err := r.kv.Status(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return jetstream.ErrNoStreamResponse
		} else if err != nil {
			return err
		}
		b, ok := s.(*jetstream.KeyValueBucketStatus)
		if !ok {
			return fmt.Errorf("the bucket is kept in %s", s.BackingStore())
		}
		info := b.StreamInfo()
		if info.Cluster != nil && info.Cluster.Leader == "" {
			return jetstream.ErrNoStreamResponse
		}
		last = info.State.LastSeq
		return nil
	})
	if err != nil && ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return last, err
}
