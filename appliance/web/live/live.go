// Package live keeps fragments of pages current: server-sent events.
//
// It owns who follows which fragment, how often the box is asked, and what is sent. A fragment is asked for at most every two seconds, once for all
// that see the same, and sent when it is another one. It does not own what a fragment shows: package page renders it.
//
// Goroutines: one a fragment that somebody follows. It ends when nobody does, and Close waits for all.
package live

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Every is how often a fragment is asked for.
const Every = 2 * time.Second

// How much one account may follow: each fragment is a question to the box every two seconds. And how many questions there are at once, so that
// many fragments don't crowd out what else the box does.
const (
	maxPages     = 48
	maxFragments = 64
	atOnce       = 4
)

// Key names a fragment as some see it. All who see the same have the same key.
type Key struct {
	Topic, Query string
	Class, Lang  string
}

// Name is the fragment's name in the page.
func (k Key) Name() string {
	if k.Query == "" {
		return k.Topic
	}
	return k.Topic + "?" + k.Query
}

// Event is what one follower is sent.
type Event struct {
	Key  Key
	HTML []byte
	Down bool // the box does not answer: what is shown is old
}

// Hub has the fragments that are followed. New makes one.
type Hub struct {
	ask  func(ctx context.Context, k Key, account string) ([]byte, error)
	ctx  context.Context
	stop context.CancelFunc
	all  sync.WaitGroup
	turn chan struct{} // one token a question

	mu     sync.Mutex
	topics map[Key]*topic
	closed bool
}

// topic is a fragment that somebody follows.
type topic struct {
	followers map[*Follower]bool
	last      []byte // nil: none yet
	down      bool
	stop      context.CancelFunc
}

// Follower is one page in a browser.
type Follower struct {
	account string
	hub     *Hub
	keys    []Key
	news    chan struct{} // capacity 1
	waiting map[Key]Event // under Hub.mu: the newest of each
}

// New makes a hub. Ask renders a fragment as an account sees it.
func New(ask func(ctx context.Context, k Key, account string) ([]byte, error)) *Hub {
	ctx, stop := context.WithCancel(context.Background())
	return &Hub{ask: ask, ctx: ctx, stop: stop, turn: make(chan struct{}, atOnce), topics: map[Key]*topic{}}
}

// Close ends all fragments.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.stop()
	h.all.Wait()
}

// Follow begins to follow fragments, until Leave. It is nil when the account follows too much already.
func (h *Hub) Follow(account string, keys []Key) *Follower {
	f := &Follower{account: account, hub: h, keys: keys, news: make(chan struct{}, 1), waiting: map[Key]Event{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return f
	}
	if !h.room(account, keys) {
		return nil
	}
	for _, k := range keys {
		t := h.topics[k]
		if t == nil {
			ctx, stop := context.WithCancel(h.ctx)
			t = &topic{followers: map[*Follower]bool{}, stop: stop}
			h.topics[k] = t
			h.all.Go(func() { h.keep(ctx, k, t) })
		}
		t.followers[f] = true
		if t.last != nil {
			f.tell(Event{Key: k, HTML: t.last, Down: t.down})
		}
	}
	return f
}

// room reports whether an account may follow these fragments, too. The lock is held.
func (h *Hub) room(account string, keys []Key) bool {
	pages, fragments := map[*Follower]bool{}, map[Key]bool{}
	for k, t := range h.topics {
		for f := range t.followers {
			if f.account == account {
				pages[f], fragments[k] = true, true
			}
		}
	}
	for _, k := range keys {
		fragments[k] = true
	}
	return len(pages) < maxPages && len(fragments) <= maxFragments
}

// Leave ends following.
func (f *Follower) Leave() {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	for _, k := range f.keys {
		t := f.hub.topics[k]
		if t == nil || !t.followers[f] {
			continue
		}
		delete(t.followers, f)
		if len(t.followers) == 0 {
			t.stop()
			delete(f.hub.topics, k)
		}
	}
}

// tell has an event wait for the follower, in place of an older one of the fragment. The lock is held.
func (f *Follower) tell(e Event) {
	f.waiting[e.Key] = e
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// News has a value when Take has something.
func (f *Follower) News() <-chan struct{} { return f.news }

// Take returns what has come since, the newest of each fragment.
func (f *Follower) Take() []Event {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	list := slices.Collect(maps.Values(f.waiting))
	clear(f.waiting)
	return list
}

// keep asks for a fragment until nobody follows it.
func (h *Hub) keep(ctx context.Context, k Key, t *topic) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case h.turn <- struct{}{}:
		}
		account, ok := h.someone(t)
		var text []byte
		var err error
		if ok {
			text, err = h.ask(ctx, k, account)
		}
		<-h.turn
		if ok {
			h.spread(k, t, text, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(Every):
		}
	}
}

// someone is an account of those who follow: the box is asked in its name, and the answer is the same for all of the class.
func (h *Hub) someone(t *topic) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for f := range t.followers {
		return f.account, true
	}
	return "", false
}

// spread tells all followers what they do not know yet.
func (h *Hub) spread(k Key, t *topic, text []byte, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	down := err != nil
	if down {
		text = t.last
	}
	if down == t.down && bytes.Equal(text, t.last) {
		return
	}
	t.last, t.down = text, down
	for f := range t.followers {
		f.tell(Event{Key: k, HTML: text, Down: down})
	}
}
