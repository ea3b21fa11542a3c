package steward

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/license"
)

// lend serves the requests for one kind of license.
func (s *Steward) lend(ctx context.Context, b bucket, kind license.Kind, queue <-chan request) {
	tend := time.NewTicker(lease.Watch)
	defer tend.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tend.C:
			s.tend(ctx, b, kind)
		case first := <-queue:
			batch := []request{first}
			for len(batch) < together && len(queue) > 0 {
				batch = append(batch, <-queue)
			}
			s.grant(ctx, b, kind, batch)
		}
	}
}

// grant answers requests that have come together, with one change of the pool for all of them.
func (s *Steward) grant(ctx context.Context, b bucket, kind license.Kind, batch []request) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answers := make([]lease.Answer, len(batch))
	var p *pools
	err := change(ctx, b, key(s.Customer, kind), func(value []byte) ([]byte, error) {
		pool, err := open(value)
		if err != nil {
			return nil, err
		}
		now, write := time.Now(), false
		p = s.judged(now)
		for i, r := range batch {
			pool, answers[i] = pool.Grant(r.box, r.ask, p.terms[kind], now)
			write = write || answers[i].Write
		}
		if !write {
			return nil, nil
		}
		return pack(pool.Value())
	})
	if err != nil {
		s.Log.Error("leases not written", "customer", s.Customer, "kind", kind, "requests", len(batch), "err", err)
		for _, r := range batch { // to the boxes that is the same as a hub that is away: they have their grace
			s.done(r.from, fleet.LeaseReply{Error: "the hub cannot write what it lends: it has too few nodes, or its pool is damaged"})
		}
		return
	}
	s.leapt(kind, answers[0].Leapt)
	for i, r := range batch {
		s.done(r.from, s.reply(kind, r, answers[i], p.keys[kind]))
	}
}

// reply makes the answer to a request whose lease is written.
func (s *Steward) reply(kind license.Kind, r request, a lease.Answer, keys []string) fleet.LeaseReply {
	if a.Count == 0 {
		return a.Reply
	}
	statement, err := license.SignLease(s.Key, license.Lease{
		Kind: kind, Count: a.Count, Serial: r.ask.Serial, Issued: a.From, Until: a.Until, Sequence: a.Reply.Sequence,
	})
	if err != nil {
		s.Log.Error("lease not signed", "customer", s.Customer, "box", r.box, "err", err)
		return fleet.LeaseReply{Error: "the hub cannot sign the lease: " + err.Error(), Sequence: a.Reply.Sequence}
	}
	a.Reply.Lease, a.Reply.Keys = statement, keys
	return a.Reply
}

// tend has package lease look after a pool.
func (s *Steward) tend(ctx context.Context, b bucket, kind license.Kind) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var leapt time.Duration
	err := change(ctx, b, key(s.Customer, kind), func(value []byte) ([]byte, error) {
		pool, err := open(value)
		if err != nil {
			return nil, err
		}
		now, write := time.Now(), false
		if pool, write, leapt = pool.Tend(s.judged(now).terms[kind], now); !write {
			return nil, nil
		}
		return pack(pool.Value())
	})
	if err != nil {
		s.Log.Warn("pool not looked after", "customer", s.Customer, "kind", kind, "err", err)
		return
	}
	s.leapt(kind, leapt)
}

func (s *Steward) leapt(kind license.Kind, d time.Duration) {
	if d != 0 {
		s.Log.Warn("the node was away, or its clock was set: leases are as long as they were", "customer", s.Customer, "kind", kind, "by", d.String())
	}
}

// maxValue is what a pool may be when it is unpacked: package lease has fewer boxes than that.
const maxValue = 4 << 20

// pack makes the value of a pool small enough for one message, however many boxes have a share.
func pack(value []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(value); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// open reads a pool; nil is one that was never written.
func open(packed []byte) (lease.Pool, error) {
	if packed == nil {
		return lease.Pool{}, nil
	}
	value, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxValue))
	if err != nil {
		return lease.Pool{}, fmt.Errorf("the pool is damaged: %w", err)
	}
	return lease.Open(value)
}

// Pools reads what is lent of a customer's pools.
func Pools(ctx context.Context, b jetstream.KeyValue, customer string) (map[license.Kind]lease.Pool, error) {
	pools := map[license.Kind]lease.Pool{}
	for _, kind := range Kinds {
		entry, err := b.Get(ctx, key(customer, kind))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("read the pool of %s: %w", kind, err)
		}
		if pools[kind], err = open(entry.Value()); err != nil {
			return nil, err
		}
	}
	return pools, nil
}
