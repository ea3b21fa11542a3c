package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/source"
	"viaduct/appliance/web/page"
)

// How many sessions there may be: in all, of one source, of one account. Another one ends that which was silent for longest.
const (
	maxSessions   = 64
	maxOfOne      = 32
	longestIdle   = 12 * time.Hour // when consoles never end
	maxToasts     = 4
	maxToastBytes = 4 << 10
)

// key is the hash of a session's secret: memory does not tell what a browser has to send.
type key [sha256.Size]byte

// session is one login of a browser.
type session struct {
	key    key
	user   string
	class  page.Class
	tty    string
	source netip.Addr
	token  string
	idle   time.Duration
	began  time.Time
	ctx    context.Context // ends with the session
	end    context.CancelFunc

	mu     sync.Mutex
	seen   time.Time
	stamp  string    // of the account, as sbcd says
	looked time.Time // when that was compared
	toasts []page.Toast
}

// sessions are those of all browsers.
type sessions struct {
	follow func(*session) // for as long as the session lasts

	mu  sync.Mutex
	of  map[key]*session
	all sync.WaitGroup
}

// begin makes a session, and returns the secret that the browser keeps.
func (l *sessions) begin(user string, class page.Class, from netip.Addr, idle time.Duration) (s *session, secret string) {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails
	secret = base64.RawURLEncoding.EncodeToString(raw)
	if idle <= 0 || idle > longestIdle {
		idle = longestIdle
	}
	now := time.Now()
	s = &session{key: sha256.Sum256([]byte(secret)), user: user, class: class, source: source.Of(from), token: rand.Text(), idle: idle, began: now, seen: now}
	s.ctx, s.end = context.WithCancel(context.Background())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[key]*session{}
	}
	l.makeRoom(s)
	s.tty = l.name(from)
	l.of[s.key] = s
	l.all.Go(func() {
		defer l.forget(s)
		l.watch(s)
	})
	return s, secret
}

// name is the terminal of a session: its address, and a number when there is one of that address already. The lock is held.
func (l *sessions) name(from netip.Addr) string {
	taken := map[string]bool{}
	for _, s := range l.of {
		taken[s.tty] = true
	}
	name := "web " + from.String()
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("web %s/%d", from, n)
	}
	return name
}

// makeRoom ends sessions until there is room for another one. The lock is held.
func (l *sessions) makeRoom(coming *session) {
	var same, source []*session
	all := make([]*session, 0, len(l.of))
	for _, s := range l.of {
		all = append(all, s)
		if s.user == coming.user {
			same = append(same, s)
		}
		if s.source == coming.source {
			source = append(source, s)
		}
	}
	for _, list := range []struct {
		of   []*session
		most int
	}{{same, maxOfOne}, {source, maxOfOne}, {all, maxSessions}} {
		if len(list.of) >= list.most {
			oldest := slices.MinFunc(list.of, func(a, b *session) int { return cmp.Compare(a.last().UnixNano(), b.last().UnixNano()) })
			delete(l.of, oldest.key)
			oldest.end()
		}
	}
}

// watch follows sbcd's events for a session, and ends it when it has been silent for too long.
func (l *sessions) watch(s *session) {
	var following sync.WaitGroup
	following.Go(func() {
		defer s.end()
		l.follow(s)
	})
	defer following.Wait()
	defer s.end()
	for s.ctx.Err() == nil {
		left := time.Until(s.last().Add(s.idle))
		if left <= 0 {
			return
		}
		select {
		case <-s.ctx.Done():
		case <-time.After(left):
		}
	}
}

// forget takes a session that has ended out of the list.
func (l *sessions) forget(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[s.key] == s {
		delete(l.of, s.key)
	}
}

// find is the session of a secret; nil: there is none.
func (l *sessions) find(secret string) *session {
	k := key(sha256.Sum256([]byte(secret)))
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of[k]
	if s == nil || s.ctx.Err() != nil || time.Since(s.last()) >= s.idle {
		return nil
	}
	return s
}

// endAll ends all sessions, and waits for them.
func (l *sessions) endAll() {
	l.mu.Lock()
	for _, s := range l.of {
		s.end()
	}
	l.mu.Unlock()
	l.all.Wait()
}

// touch notes that the user does something.
func (s *session) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = time.Now()
}

// stampWith keeps the stamp of the account.
func (s *session) stampWith(stamp string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stamp = stamp
}

// stamped is the stamp of the account, which is compared now.
func (s *session) stamped(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = now
	return s.stamp
}

// due reports whether the stamp is to be compared again.
func (s *session) due(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.looked) >= lookEvery
}

// last is when the user last did something.
func (s *session) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// tell keeps a message for the next page.
func (s *session) tell(t page.Toast) {
	if len(t.Text) > maxToastBytes {
		t.Text = t.Text[:maxToastBytes] + " ..."
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.toasts = append(s.toasts[max(0, len(s.toasts)-maxToasts+1):], t)
}

// told takes the messages that wait.
func (s *session) told() []page.Toast {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.toasts
	s.toasts = nil
	return t
}

// visitor is whom the pages see.
func (s *session) visitor(lang string, look, renew func(*session)) page.Visitor {
	return page.Visitor{User: s.user, Class: s.class, TTY: s.tty, Lang: lang, Token: s.token, Idle: s.idle, Touch: s.touch, Tell: s.tell, Told: s.told, Look: func() { look(s) }, Renew: func() { renew(s) }}
}
