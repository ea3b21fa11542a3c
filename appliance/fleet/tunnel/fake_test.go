package tunnel

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/fleet"
)

// fakeHub passes messages on, as the hub does. Each link gets its own in order.
type fakeHub struct {
	mu    sync.Mutex
	links []*fakeLink
	// touch changes the messages that one carries to another; nil: each as it is. It is called under mu.
	touch func(m fleet.Message) []fleet.Message
	wait  func() time.Duration // for which a message is on its way; nil: none
	full  func() bool          // a link has no room for what is to be sent; nil: it always has
}

// fakeLink is one link.
type fakeLink struct {
	hub  *fakeHub
	name string
	t    *testing.T

	// under hub.mu
	listens map[int]fakeListen
	number  int
	away    bool
	changed chan struct{}
	queue   []fleet.Message
	most    int // octets that were in queue at once
	some    *sync.Cond
	ended   bool
}

type fakeListen struct {
	subject string
	f       func(fleet.Message)
}

// link makes one.
func (h *fakeHub) link(t *testing.T, name string) *fakeLink {
	l := &fakeLink{hub: h, name: name, t: t, listens: map[int]fakeListen{}, changed: make(chan struct{}), some: sync.NewCond(&h.mu)}
	h.mu.Lock()
	h.links = append(h.links, l)
	h.mu.Unlock()
	var running sync.WaitGroup
	running.Go(l.run)
	t.Cleanup(func() {
		h.mu.Lock()
		l.ended = true
		l.some.Broadcast()
		h.mu.Unlock()
		running.Wait()
	})
	return l
}

func (l *fakeLink) run() {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for !l.ended {
		if len(l.queue) == 0 {
			l.some.Wait()
			continue
		}
		m := l.queue[0]
		l.queue = l.queue[1:]
		var to []func(fleet.Message)
		for _, x := range l.listens {
			if matches(x.subject, m.Subject) {
				to = append(to, x.f)
			}
		}
		wait := h.wait
		h.mu.Unlock()
		if wait != nil {
			time.Sleep(wait())
		}
		for _, f := range to {
			f(m)
		}
		h.mu.Lock()
	}
}

func matches(pattern, subject string) bool {
	p, s := strings.Split(pattern, "."), strings.Split(subject, ".")
	if len(p) != len(s) {
		return false
	}
	for i := range p {
		if p[i] != "*" && p[i] != s[i] {
			return false
		}
	}
	return true
}

// publish queues a message at those who listen, and reports whether anybody does. The lock is held.
func (h *fakeHub) publish(m fleet.Message) (heard bool) {
	m.Data = bytes.Clone(m.Data)
	list := []fleet.Message{m}
	if h.touch != nil {
		list = h.touch(m)
	}
	for _, l := range h.links {
		for _, x := range l.listens {
			if !l.away && matches(x.subject, m.Subject) {
				heard = true
				l.queue = append(l.queue, list...)
				size := 0
				for _, m := range l.queue {
					size += len(m.Data)
				}
				l.most = max(l.most, size)
				l.some.Broadcast()
			}
		}
	}
	return heard
}

// drop ends the connection of the link with all that is on its way to it, and keep makes it again.
func (l *fakeLink) drop(away bool) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.away, l.queue = away, nil
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *fakeLink) Send(subject string, body []byte) error {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	if l.away || l.hub.full != nil && l.hub.full() {
		return fleet.ErrAway
	}
	l.hub.publish(fleet.Message{Subject: subject, Data: body})
	return nil
}

func (l *fakeLink) Listen(subject string, f func(fleet.Message)) (func(), error) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.number++
	n := l.number
	l.listens[n] = fakeListen{subject, f}
	return func() {
		l.hub.mu.Lock()
		defer l.hub.mu.Unlock()
		delete(l.listens, n)
	}, nil
}

func (l *fakeLink) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	answer := make(chan []byte, 1)
	l.hub.mu.Lock()
	l.number++
	inbox := fmt.Sprintf("%s.%d", fleet.Inbox(l.name), l.number)
	l.hub.mu.Unlock()
	stop, _ := l.Listen(inbox, func(m fleet.Message) { answer <- bytes.Clone(m.Data) })
	defer stop()
	l.hub.mu.Lock()
	heard := !l.away && l.hub.publish(fleet.Message{Subject: subject, Reply: inbox, Data: body})
	l.hub.mu.Unlock()
	if !heard {
		return nil, fleet.ErrAway
	}
	select {
	case text := <-answer:
		return text, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *fakeLink) Reply(to fleet.Message, body []byte) error { return l.Send(to.Reply, body) }

func (l *fakeLink) Keep(context.Context, string, string, []byte) error {
	l.t.Error("a tunnel keeps nothing at the hub")
	return nil
}

func (l *fakeLink) Changed() (bool, <-chan struct{}) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	return !l.away, l.changed
}
