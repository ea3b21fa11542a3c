package callkeep

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"sync"
	"time"

	"viaduct/appliance/media"
	"viaduct/appliance/pair"
)

// Session is the part of a media session that tells how far its packets have come. It may be asked from any goroutine.
type Session interface{ Marks() media.Marks }

// Marks are those of a call's own session, and of the hops of its sides.
type Marks struct {
	Own  media.Marks     `json:"own"`
	Hops [2]*media.Marks `json:"hops"`
}

// Sessions are the media of a call. A side without hop has none there.
type Sessions struct {
	Own  Session
	Hops [2]Session
}

func (s Sessions) marks() Marks {
	m := Marks{Own: s.Own.Marks()}
	for n, hop := range s.Hops {
		if hop != nil {
			marks := hop.Marks()
			m.Hops[n] = &marks
		}
	}
	return m
}

// Each call's marks are sent once in a round, and the calls are spread over it.
const (
	round = 5 * time.Second
	parts = 20
)

// Keeper has the standby keep calls. Its methods may be called from any goroutine.
type Keeper struct {
	to pair.Sender

	mu    sync.Mutex
	calls [parts]map[string]Sessions
	count int
}

// New returns a keeper of no calls.
func New(to pair.Sender) *Keeper {
	k := &Keeper{to: to}
	for n := range k.calls {
		k.calls[n] = map[string]Sessions{}
	}
	return k
}

var seed = maphash.MakeSeed()

// part is the part of a round in which a call has its turn.
func part(id string) int { return int(maphash.String(seed, id) % parts) }

// Put has a call kept as it is now, with the marks of its media.
func (k *Keeper) Put(id string, value []byte, s Sessions) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.calls[part(id)]
	if _, known := p[id]; !known {
		k.count++
	}
	p[id] = s
	k.to.Put(pair.Calls, id, value)
	k.mark(id, s)
}

// mark sends the marks of a call. The caller holds mu: what comes after Drop would be kept for ever.
func (k *Keeper) mark(id string, s Sessions) {
	if b, err := json.Marshal(s.marks()); err == nil { // plain numbers
		k.to.Put(pair.Media, id, b)
	}
}

// Drop has a call forgotten that has ended.
func (k *Keeper) Drop(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.forget(id) {
		k.to.Drop(pair.Calls, id)
		k.to.Drop(pair.Media, id)
	}
}

// Forget drops a call that goes on at the other box.
func (k *Keeper) Forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget(id)
}

func (k *Keeper) forget(id string) bool {
	p := k.calls[part(id)]
	_, known := p[id]
	if known {
		delete(p, id)
		k.count--
	}
	return known
}

// Has reports whether a call is kept.
func (k *Keeper) Has(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.calls[part(id)][id]
	return known
}

// Run sends the marks of all calls once in a round, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	turn := time.NewTicker(round / parts)
	defer turn.Stop()
	for n := 0; ; n = (n + 1) % parts {
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
		k.markAll(n)
	}
}

func (k *Keeper) markAll(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, s := range k.calls[n] {
		k.mark(id, s)
	}
}

// ReadMarks reads what Put has sent of a call's media.
func ReadMarks(b []byte) (m Marks, err error) {
	err = json.Unmarshal(b, &m)
	return m, err
}
