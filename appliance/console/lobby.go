package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/source"
)

// lobby holds the connections of a server. Connections without a login are few, and give way to new ones: a client that opens
// connections and stays silent must not keep the administrator out. Connections with a login never give way.
type lobby struct {
	log  *slog.Logger
	name string // of the service
	room int    // connections without a login
	each int    // of one source

	lock    sync.Mutex
	waiting map[net.Conn]*guest
	inside  map[net.Conn]string // by account
	given   int                 // connections that gave way since the log said so
	said    time.Time
}

// guest is a connection without a login.
type guest struct {
	from  netip.Addr
	talks bool // the client has begun to log in
}

const (
	maxInside     = 64 // connections with a login
	maxInsideEach = 24 // of one account: as many as operators of a hub have, who may share one
	sayEvery      = time.Minute
)

// enter lets a connection in. Another one gives way if need be; false: this one has to.
func (l *lobby) enter(c net.Conn, from netip.Addr) bool {
	from = source.Of(from)
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.waiting == nil {
		l.waiting, l.inside = map[net.Conn]*guest{}, map[net.Conn]string{}
	}
	of := map[netip.Addr]int{}
	for _, g := range l.waiting {
		of[g.from]++
	}
	switch {
	case of[from] >= l.each:
		if !l.drop(from, false) {
			l.drop(from, true)
		}
	case len(l.waiting) >= l.room && !l.dropOf(of, of[from]+1):
		l.giveWay()
		return false
	}
	l.waiting[c] = &guest{from: from}
	return true
}

// dropOf drops a silent connection of the source that has most of them. When none is silent, it drops any connection of a source that
// has its fair share. The lock is held.
func (l *lobby) dropOf(of map[netip.Addr]int, fair int) bool {
	silent := map[netip.Addr]int{}
	for _, g := range l.waiting {
		if !g.talks {
			silent[g.from]++
		}
	}
	if most := largest(silent); most.IsValid() {
		return l.drop(most, false)
	}
	most := largest(of)
	return of[most] >= fair && l.drop(most, true)
}

// largest is a source with the highest count.
func largest(of map[netip.Addr]int) (most netip.Addr) {
	for a, n := range of {
		if n > of[most] {
			most = a
		}
	}
	return most
}

// drop closes one connection of a source at random: a silent one, or any. The lock is held.
func (l *lobby) drop(from netip.Addr, any bool) bool {
	var victims []net.Conn
	for c, g := range l.waiting {
		if g.from == from && (any || !g.talks) {
			victims = append(victims, c)
		}
	}
	if len(victims) == 0 {
		return false
	}
	c := victims[rand.IntN(len(victims))]
	delete(l.waiting, c)
	c.Close()
	l.giveWay()
	return true
}

// giveWay counts a dropped connection; the log tells the number once a minute. The lock is held.
func (l *lobby) giveWay() {
	l.given++
	if now := time.Now(); now.Sub(l.said) >= sayEvery {
		l.log.Warn("too many connections without a login, some gave way", "name", l.name, "count", l.given)
		l.given, l.said = 0, now
	}
}

// talks notes that a client has begun to log in.
func (l *lobby) talks(c net.Conn) {
	l.lock.Lock()
	defer l.lock.Unlock()
	if g := l.waiting[c]; g != nil {
		g.talks = true
	}
}

// login moves a connection to those with a login; false when these are too many, or when it was dropped meanwhile.
func (l *lobby) login(c net.Conn, account string) bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.waiting[c] == nil {
		return false
	}
	same := 0
	for _, a := range l.inside {
		if a == account {
			same++
		}
	}
	if same >= maxInsideEach || len(l.inside) >= maxInside {
		l.log.Warn("too many sessions", "name", account)
		return false
	}
	delete(l.waiting, c)
	l.inside[c] = account
	return true
}

// leave forgets a connection.
func (l *lobby) leave(c net.Conn) {
	c.Close()
	l.lock.Lock()
	defer l.lock.Unlock()
	delete(l.waiting, c)
	delete(l.inside, c)
}

// accept serves each connection of a listener in a goroutine of its own, one of all, until the listener is closed.
func (l *lobby) accept(ctx context.Context, listener net.Listener, all *sync.WaitGroup, serve func(c net.Conn, from netip.Addr)) error {
	for {
		c, err := listener.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
		case ctx.Err() == nil && errors.As(err, &temporary) && temporary.Temporary(): // out of file descriptors: not for ever
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		default:
			return fmt.Errorf("accept %s: %w", l.name, err)
		}
		from := remote(c)
		if !l.enter(c, from) {
			c.Close()
			continue
		}
		all.Go(func() {
			defer l.leave(c)
			serve(c, from)
		})
	}
}

// acceptPause is how long no connection is accepted when the process has no room for one.
const acceptPause = 100 * time.Millisecond

// remote is the address that a connection comes from.
func remote(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// closeAll closes all connections.
func (l *lobby) closeAll() {
	l.lock.Lock()
	defer l.lock.Unlock()
	for c := range l.waiting {
		c.Close()
	}
	for c := range l.inside {
		c.Close()
	}
}
