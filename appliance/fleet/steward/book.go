package steward

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/license"
)

// Book is what the hub's registry says of a customer. It is not changed once a steward has it.
type Book struct {
	Boxes       map[string]Box // that may have leases: not those that are revoked
	Keys        []string       // license keys of the pools
	Authorities []*config.LicenseAuthority
}

// Box is a box of a customer.
type Box struct {
	Serial string
	Key    string // with which it connects; "": none
	Limits map[license.Kind]Limit
}

// Limit is what a box may have of a pool. Without one it may have as much as there is.
type Limit struct{ Min, Max int }

// maxCount is what a statement can say.
const maxCount = 65535

// count is how often the license keys are judged: they end by themselves.
const count = time.Minute

// pools are the book's, as package lease wants them.
type pools struct {
	keys  map[license.Kind][]string // that are good
	terms map[license.Kind]lease.Terms
	at    time.Time
}

// serialMarks are what statements of leases leave out of a serial number.
var serialMarks = strings.NewReplacer(":", "", "-", "", " ", "")

// judge reads a book.
func judge(b *Book, hub, node string, now time.Time) *pools {
	p := &pools{keys: map[license.Kind][]string{}, terms: map[license.Kind]lease.Terms{}, at: now}
	totals := license.PoolTotal(b.Keys, hub, now, b.Authorities)
	for _, key := range b.Keys {
		if l, err := license.VerifyPoolKey(key, hub, now, b.Authorities); err == nil {
			p.keys[l.Kind] = append(p.keys[l.Kind], key)
		}
	}
	for _, kind := range Kinds {
		boxes := make(map[string]lease.Box, len(b.Boxes))
		taken := map[string]bool{}
		for _, name := range slices.Sorted(maps.Keys(b.Boxes)) {
			box := b.Boxes[name]
			device := serialMarks.Replace(strings.ToUpper(box.Serial))
			if taken[device] {
				continue // leases are bound to serial numbers: of two boxes that say the same, one gets them
			}
			taken[device] = true
			limit, has := box.Limits[kind]
			if !has {
				limit.Max = maxCount
			}
			limit.Max = min(limit.Max, maxCount)
			boxes[name] = lease.Box{Serial: box.Serial, Min: min(limit.Min, limit.Max), Max: limit.Max}
		}
		p.terms[kind] = lease.Terms{Node: node, Total: totals[kind], Boxes: boxes}.Ready()
	}
	return p
}

// judged are the pools now.
func (s *Steward) judged(now time.Time) *pools {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.book != nil && (s.pools == nil || now.Sub(s.pools.at) >= count || now.Before(s.pools.at)) {
		s.pools = judge(s.book, s.hub, s.Node, now)
	}
	return s.pools
}

// tellNews tells boxes when what they may have has changed.
func (s *Steward) tellNews(ctx context.Context, before *pools) {
	look := time.NewTicker(count)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changed:
		case <-look.C: // a license may have ended
		}
		now := s.judged(time.Now())
		for _, box := range news(before, now) {
			if err := s.Conn.Publish(fleet.NewsFor(box), nil); err != nil {
				break // it asks by itself, later
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(apart):
			}
		}
		before = now
	}
}

// news are the boxes for which something is otherwise now.
func news(before, now *pools) (list []string) {
	if before == now {
		return nil
	}
	for _, kind := range Kinds {
		all := !slices.Equal(before.keys[kind], now.keys[kind])
		for name, box := range now.terms[kind].Boxes {
			if was, known := before.terms[kind].Boxes[name]; all || known && was != box {
				list = append(list, name)
			}
		}
		for name := range before.terms[kind].Boxes { // what one leaves is there for the others
			if _, known := now.terms[kind].Boxes[name]; !known {
				all = true
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
