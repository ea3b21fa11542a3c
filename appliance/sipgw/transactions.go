package sipgw

import (
	"slices"
	"sync"

	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// transactions are those of a gateway, and what is left of the finished ones.
type transactions struct {
	mu        sync.Mutex
	clients   map[string]*clientTx
	servers   map[string]*serverTx           // without a final response, or a 2xx to an INVITE without its ACK
	lingering lingering                      // those with one
	merged    map[string]siptransport.Origin // who sent the request of each of both, by what its copies have in common
}

func newTransactions() transactions {
	return transactions{clients: map[string]*clientTx{}, servers: map[string]*serverTx{}, lingering: newLingering(), merged: map[string]siptransport.Origin{}}
}

func (t *transactions) addClient(tx *clientTx) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clients[tx.key] = tx
}

func (t *transactions) dropClient(tx *clientTx) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.clients, tx.key)
}

// client is the client transaction that a response belongs to; nil: there is none.
func (t *transactions) client(key string) *clientTx {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clients[key]
}

func (t *transactions) addServer(tx *serverTx) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.servers[tx.key] = tx
	if tx.merge != "" {
		t.merged[tx.merge] = tx.from.Origin()
	}
}

func (t *transactions) dropServer(tx *serverTx) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.servers[tx.key] == tx {
		delete(t.servers, tx.key)
		t.forgetMerge(tx.merge)
	}
}

// server is the server transaction with a key, or what is left of it. Both are nil when there is none.
func (t *transactions) server(key string) (*serverTx, *finished) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.servers[key], t.lingering.byKey[key]
}

// mergedWith tells who sent a copy of a request on another way before (RFC 3261 8.2.2.2).
func (t *transactions) mergedWith(key string) (first siptransport.Origin, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, ok = t.merged[key]
	return first, ok
}

// forgetMerge lets go of what a merged request is known by. The lock is held.
func (t *transactions) forgetMerge(key string) {
	if key != "" {
		delete(t.merged, key)
	}
}

// parting reports whether a BYE of ours has no final response yet.
func (t *transactions) parting() bool {
	t.mu.Lock()
	list := make([]*clientTx, 0, len(t.clients))
	for _, tx := range t.clients {
		list = append(list, tx)
	}
	t.mu.Unlock()
	return slices.ContainsFunc(list, func(tx *clientTx) bool {
		tx.mu.Lock()
		defer tx.mu.Unlock()
		return tx.req.Method == sip.BYE && (tx.state == txCalling || tx.state == txProceeding)
	})
}
