package overload

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

const (
	remembered = 32 * time.Second // for so long a request may repeat itself (RFC 3261 17.1.1.2), and twice as long at most is remembered
	recentMost = 1 << 15          // keys of each half
)

// Recent remembers keys of requests for a while: that they were refused, when nothing else is kept of them. It holds hashes of them in two
// halves, the older of which goes when the newer is full or old. A key that is forgotten too soon is a new request again.
type Recent struct {
	seed maphash.Seed
	some atomic.Bool

	mu         sync.Mutex
	newer, old map[uint64]struct{}
	turned     time.Time // the newer half was begun
}

// NewRecent remembers nothing yet.
func NewRecent() *Recent { return &Recent{seed: maphash.MakeSeed(), newer: map[uint64]struct{}{}} }

// Add remembers a key.
func (r *Recent) Add(key string, now time.Time) {
	h := maphash.String(r.seed, key)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	if len(r.newer) >= recentMost {
		r.newer, r.old, r.turned = map[uint64]struct{}{}, r.newer, now
	}
	r.newer[h] = struct{}{}
	r.some.Store(true)
}

// Has reports whether a key is remembered. It costs nothing while none is.
func (r *Recent) Has(key string, now time.Time) bool {
	if !r.some.Load() {
		return false
	}
	h := maphash.String(r.seed, key)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn(now)
	if _, found := r.newer[h]; found {
		return true
	}
	_, found := r.old[h]
	return found
}

// turn forgets what is old.
func (r *Recent) turn(now time.Time) {
	switch age := now.Sub(r.turned); {
	case age >= 2*remembered:
		r.newer, r.old, r.turned = map[uint64]struct{}{}, nil, now
	case age >= remembered:
		r.newer, r.old, r.turned = map[uint64]struct{}{}, r.newer, now
	}
	r.some.Store(len(r.newer)+len(r.old) > 0)
}
