// Package chains remembers which chains of certificates the hubs have shown, and compares each week with the one before it: a peer that
// moves to another root, key type or lifetime is noticed while the old chain still works elsewhere.
//
// It owns the comparison, its schedule and the form of the file. It does not own how chains are verified (pki), where the file is, nor the
// alarm. What it keeps of a peer has a bound. Book.Run is its only goroutine, which the caller starts.
package chains

import (
	"crypto/x509"

	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

const (
	week = 7 * 24 * time.Hour
	turn = time.Minute // between two looks at the calendar

	maxPeers  = 16
	maxChains = 8 // of one peer in a week
)

// Options of a Book.
type Options struct {
	Log     *slog.Logger
	Load    func(parse func(text []byte) error) error // reads the file, if there is one
	Save    func(text []byte) error
	Asked   func(peer string) bool          // the box still connects to this peer
	Changed func(list []status.PeerChanges) // after each comparison, and when the trust in a new chain changes; with all peers that have changed
}

// Book is safe for concurrent use.
type Book struct {
	o Options

	mu    sync.Mutex
	kept  kept
	dirty bool // there is something to save
}

// kept is the form of the file.
type kept struct {
	Since time.Time            `json:"since"` // this week's begin; zero: no chain has been seen yet
	Peers []status.PeerChanges `json:"peers"` // by name
}

// Open reads the file. One that cannot be read is as none: the comparison begins anew.
func Open(o Options) *Book {
	b := &Book{o: o}
	err := o.Load(func(text []byte) error {
		var k kept
		if err := json.Unmarshal(text, &k); err != nil {
			return err
		}
		if len(k.Peers) > maxPeers || slices.ContainsFunc(k.Peers, func(p status.PeerChanges) bool { return !sound(p) }) {
			return errors.New("it holds what this box does not write")
		}
		b.kept = k
		return nil
	})
	if err != nil {
		o.Log.Warn("chains of hubs not read; the comparison begins anew", "err", err)
	}
	return b
}

// sound reports whether a peer of the file is as this package writes it.
func sound(p status.PeerChanges) bool {
	for _, list := range [][]status.ShownChain{p.Now, p.Before, p.New} {
		if len(list) > maxChains || slices.ContainsFunc(list, func(c status.ShownChain) bool { return len(c.Links) == 0 }) {
			return false
		}
	}
	return true
}

// Note takes a chain that a peer has shown just now. why says why it was refused, "" when it was not. complete adds what is costly to
// find out; it is called for a chain that is new this week.
func (b *Book) Note(peer string, chain status.ShownChain, why string, complete func(*status.ShownChain)) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	// A handshake waits for the right time, so a week that begins later than now began under a wrong one.
	if b.kept.Since.IsZero() || b.kept.Since.After(now) {
		b.kept.Since, b.dirty = now, true
	}
	p := b.peer(peer)
	if p == nil {
		return
	}
	i := slices.IndexFunc(p.Now, func(c status.ShownChain) bool { return same(c, chain) })
	if i < 0 {
		if len(p.Now) == maxChains {
			return
		}
		complete(&chain)
		chain.First = now
		i = len(p.Now)
		p.Now = append(p.Now, chain)
		b.dirty = true
	}
	c := &p.Now[i]
	c.Last = now
	if c.Refused != why {
		c.Refused, b.dirty = why, true
	}
	// What the last comparison found may be trusted by now, or not any more.
	for n := range p.New {
		if same(p.New[n], *c) && p.New[n].Refused != why {
			p.New[n].Refused, b.dirty = why, true
			b.tell()
		}
	}
}

// peer finds or adds a peer; nil: there are too many. The lock is held.
func (b *Book) peer(name string) *status.PeerChanges {
	i, found := slices.BinarySearchFunc(b.kept.Peers, name, func(p status.PeerChanges, name string) int { return strings.Compare(p.Peer, name) })
	if !found {
		if len(b.kept.Peers) == maxPeers {
			return nil
		}
		b.kept.Peers = slices.Insert(b.kept.Peers, i, status.PeerChanges{Peer: name})
	}
	return &b.kept.Peers[i]
}

// same compares the certificates of two chains.
func same(a, b status.ShownChain) bool {
	return slices.EqualFunc(a.Links, b.Links, func(x, y status.ChainLink) bool { return x.SHA256 == y.SHA256 })
}

// Run compares the weeks until ctx ends. A box that was off when a week ended compares when it is on again.
func (b *Book) Run(ctx context.Context) error {
	b.mu.Lock()
	b.tell()
	b.mu.Unlock()
	b.compare(time.Now())
	every := time.NewTicker(turn)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			b.save()
			return nil
		case <-every.C:
			b.compare(time.Now())
			b.save()
		}
	}
}

// compare ends the week when it is over.
func (b *Book) compare(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept.Since.IsZero() || now.Sub(b.kept.Since) < week {
		return
	}
	b.kept.Since, b.dirty = now, true
	b.kept.Peers = slices.DeleteFunc(b.kept.Peers, func(p status.PeerChanges) bool { return !b.o.Asked(p.Peer) })
	for n := range b.kept.Peers {
		p := &b.kept.Peers[n]
		p.Change, p.New = "", nil
		if len(p.Now) == 0 {
			continue // it was not reached: next week is compared with what it showed last
		}
		if len(p.Before) > 0 {
			p.Change, p.New = differences(p.Before, p.Now)
		}
		if p.Change != "" {
			p.Changed = now
			b.o.Log.Warn("a hub shows other certificates than last week", "peer", p.Peer, "what", p.Change)
		}
		p.Before, p.Now = p.Now, nil
	}
	b.tell()
}

// tell passes on which peers have changed. The lock is held.
func (b *Book) tell() {
	var list []status.PeerChanges
	for _, p := range b.kept.Peers {
		if p.Change != "" {
			list = append(list, p)
		}
	}
	b.o.Changed(list)
}

// save writes the file when there is something new in it. One that cannot be written is tried again.
func (b *Book) save() {
	b.mu.Lock()
	text, err := json.Marshal(b.kept)
	dirty := b.dirty
	b.dirty = false
	b.mu.Unlock()
	if !dirty {
		return
	}
	if err == nil {
		err = b.o.Save(text)
	}
	if err != nil {
		b.mu.Lock()
		b.dirty = true
		b.mu.Unlock()
	}
}

// Chains returns what the peers have shown.
func (b *Book) Chains() status.PeerChains {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := status.PeerChains{Peers: slices.Clone(b.kept.Peers)}
	for n, p := range out.Peers {
		out.Peers[n].Now, out.Peers[n].New = slices.Clone(p.Now), slices.Clone(p.New)
	}
	if !b.kept.Since.IsZero() {
		out.Next = b.kept.Since.Add(week)
	}
	return out
}

// LinkOf describes a certificate of a chain.
func LinkOf(c *x509.Certificate) status.ChainLink {
	d := pki.Describe(c)
	return status.ChainLink{Subject: d.Subject, Issuer: d.Issuer, KeyType: d.Key, NotBefore: d.NotBefore, NotAfter: d.NotAfter, SHA256: d.SHA256}
}
