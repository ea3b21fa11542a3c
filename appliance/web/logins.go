package web

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/source"
)

// How many logins there may be at once, each of which costs the box a hash, and how many of one source: whoever tries passwords must not keep the
// administrator out.
const (
	maxLogins       = 4
	maxLoginsOfOne  = 2
	waitForOneLogin = time.Second
)

// logins are those that are under way.
type logins struct {
	mu    sync.Mutex
	of    map[netip.Addr]int
	all   int
	freed chan struct{} // closed when one ends
}

// begin takes a place, or waits for one for a moment; false: there is none. End gives it back, once.
func (l *logins) begin(ctx context.Context, from netip.Addr) (end func(), ok bool) {
	from = source.Of(from)
	late := time.After(waitForOneLogin)
	for {
		freed := l.take(from)
		if freed == nil {
			return sync.OnceFunc(func() { l.end(from) }), true
		}
		select {
		case <-freed:
		case <-late:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// take takes a place. Without one it returns what is closed when one becomes free.
func (l *logins) take(from netip.Addr) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of, l.freed = map[netip.Addr]int{}, make(chan struct{})
	}
	if l.all >= maxLogins || l.of[from] >= maxLoginsOfOne {
		return l.freed
	}
	l.all++
	l.of[from]++
	return nil
}

func (l *logins) end(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.of[from]--; l.of[from] == 0 {
		delete(l.of, from)
	}
	close(l.freed)
	l.freed = make(chan struct{})
}
