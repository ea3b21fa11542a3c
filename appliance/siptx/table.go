// Package siptx is the transaction layer of SIP (RFC 3261 17, RFC 6026): requests of ours with their repetitions and time-outs, requests of
// peers with the responses that a retransmission gets again, and what lingers of both.
//
// It owns when a message is sent again and how long anything is kept. It does not own what a request means (package sipgw) nor how a
// message reaches a peer (package siptransport).
//
// It starts no goroutines: messages come in read loops, and the rest is timers. Functions that it calls must not block.
package siptx

import (
	"maps"
	"slices"
	"sync"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// Table holds the transactions of a gateway, and what is left of the finished ones.
type Table struct {
	gate *siptransport.Gate

	mu        sync.Mutex
	clients   map[string]*Client
	servers   map[string]*Server             // without a final response, or a 2xx to an INVITE without its ACK
	lingering lingering                      // those with one
	settled   lingering                      // INVITEs of ours whose ACK has left
	merged    map[string]siptransport.Origin // who sent the request of each of both, by what its copies have in common
}

// New returns an empty table, whose messages leave by a gate.
func New(gate *siptransport.Gate) *Table {
	return &Table{gate: gate, clients: map[string]*Client{}, servers: map[string]*Server{}, lingering: newLingering(maxLingering, maxLingeringOne), settled: newLingering(maxSettled, maxSettledOne), merged: map[string]siptransport.Origin{}}
}

func (t *Table) addClient(tx *Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clients[tx.key] = tx
}

// rename has a transaction found by another key.
func (t *Table) rename(tx *Client, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.clients, tx.key)
	tx.key = key
	t.clients[key] = tx
}

func (t *Table) dropClient(tx *Client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.clients, tx.key)
}

// Asked finds the client transaction that a response belongs to; nil: there is none.
func (t *Table) Asked(res *sipmsg.Response) *Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clients[clientKey(res.Via.Branch, string(res.SeqMethod))]
}

func (t *Table) addServer(tx *Server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.servers[tx.Key] = tx
	if tx.merge != "" {
		t.merged[tx.merge] = tx.From.Origin()
	}
}

func (t *Table) dropServer(tx *Server) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.servers[tx.Key] == tx {
		delete(t.servers, tx.Key)
		t.forgetMerge(tx.merge)
	}
}

// Find finds the server transaction with a Key, or what is left of it. Both are nil when there is none.
func (t *Table) Find(key string) (*Server, *Finished) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.lingering.byKey[key]; p != nil {
		return t.servers[key], p.self.(*Finished)
	}
	return t.servers[key], nil
}

// forgetMerge lets go of what a merged request is known by. The lock is held.
func (t *Table) forgetMerge(key string) {
	if key != "" {
		delete(t.merged, key)
	}
}

// forgetMerges does that for server transactions that have gone. The lock is held.
func (t *Table) forgetMerges(gone []lingerer) {
	for _, x := range gone {
		if f, ok := x.(*Finished); ok {
			t.forgetMerge(f.merge)
		}
	}
}

// Parting reports whether a BYE of ours has no final response yet, or a refusal of a call no ACK.
func (t *Table) Parting() bool {
	t.mu.Lock()
	clients, finished := slices.Collect(maps.Values(t.clients)), slices.Collect(maps.Values(t.lingering.byKey))
	answered := make([]*Finished, len(finished))
	for i, p := range finished {
		answered[i] = p.self.(*Finished)
	}
	t.mu.Unlock()
	return slices.ContainsFunc(answered, (*Finished).waits) || slices.ContainsFunc(clients, func(tx *Client) bool {
		tx.mu.Lock()
		defer tx.mu.Unlock()
		return tx.Request.Method == sip.BYE && (tx.state == txCalling || tx.state == txProceeding)
	})
}

// Drop ends every transaction: nothing is sent again, and who waits for a response is told err.
func (t *Table) Drop(err error) {
	t.mu.Lock()
	clients, servers := slices.Collect(maps.Values(t.clients)), slices.Collect(maps.Values(t.servers))
	gone := append(t.lingering.clear(), t.settled.clear()...)
	t.forgetMerges(gone)
	t.mu.Unlock()
	for _, tx := range clients {
		tx.drop(err)
	}
	for _, tx := range servers {
		tx.end()
	}
	end(gone)
}

// Counts is how much a table holds.
type Counts struct{ Clients, Servers, Lingering, Settled, Merged, Octets int }

// Count counts what the table holds; Octets are those of what lingers, Settled apart.
func (t *Table) Count() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Counts{len(t.clients), len(t.servers), len(t.lingering.byKey), len(t.settled.byKey), len(t.merged), t.lingering.octets}
}
