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

// Sessions are the media of a call: its own, and those of the hops of its sides; nil: there is none.
type Sessions [3]Session

// Marks are how far the packets of Sessions have come.
type Marks [3]*media.Marks

// Of are the marks of one of the sessions; zero: they are not known.
func (m Marks) Of(n int) media.Marks {
	if m[n] == nil {
		return media.Marks{}
	}
	return *m[n]
}

// Each call's marks are sent once in a round, and the calls are spread over it.
const (
	round = 5 * time.Second
	parts = 20
)

// Keeper has the standby keep calls. Its methods may be called from any goroutine.
type Keeper struct {
	to pair.Sender

	begun chan struct{} // closed when the first call is kept
	once  sync.Once

	mu    sync.Mutex
	calls [parts]map[string]Sessions // by the part of a round in which each has its turn
}

// New returns a keeper of no calls.
func New(to pair.Sender) *Keeper {
	k := &Keeper{to: to, begun: make(chan struct{})}
	for n := range k.calls {
		k.calls[n] = map[string]Sessions{}
	}
	return k
}

var seed = maphash.MakeSeed()

// part is the part of a round in which a call has its turn.
func part(id string) int { return int(maphash.String(seed, id) % parts) }

// Put has a call kept as it is now. Its value has the marks of this moment; later ones follow in their turn.
func (k *Keeper) Put(id string, value []byte, s Sessions) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls[part(id)][id] = s
	k.to.Put(pair.Calls, id, value)
	k.once.Do(func() { close(k.begun) })
}

// send sends the marks of calls. The caller holds mu: what comes after Drop would be kept for ever.
func (k *Keeper) send(calls map[string]Sessions) {
	var list []*media.Session // the relay is asked once for all of them
	var of []*media.Marks
	marks := make(map[string]*Marks, len(calls))
	for id, sessions := range calls {
		all := &Marks{}
		for n, s := range sessions {
			if s == nil {
				continue
			}
			all[n] = new(media.Marks)
			if session, ok := s.(*media.Session); ok {
				list, of = append(list, session), append(of, all[n])
			} else {
				*all[n] = s.Marks()
			}
		}
		marks[id] = all
	}
	for n, m := range media.MarksOf(list) {
		*of[n] = m
	}
	for id, all := range marks {
		if b, err := json.Marshal(all); err == nil { // it is text already
			k.to.Put(pair.Media, id, b)
		}
	}
}

// Mark sends the marks of a call out of turn.
func (k *Keeper) Mark(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, known := k.calls[part(id)][id]; known {
		k.send(map[string]Sessions{id: s})
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
	delete(p, id)
	return known
}

// Run sends the marks of all calls once in a round, until ctx ends. It does nothing before the first call is kept.
func (k *Keeper) Run(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-k.begun:
	}
	turn := time.NewTicker(round / parts)
	defer turn.Stop()
	for n := 0; ; n = (n + 1) % parts {
		select {
		case <-ctx.Done():
			return
		case <-turn.C:
		}
		k.mu.Lock()
		k.send(k.calls[n])
		k.mu.Unlock()
	}
}

// ReadMarks reads what has been sent of a call's media.
func ReadMarks(b []byte) (m Marks, err error) {
	err = json.Unmarshal(b, &m)
	return m, err
}
