// Package places bounds the connections of a listener, in all and of one source: one source must not shut the others out.
//
// It owns the count. It does not own what happens on a connection. It has no goroutines; its methods may be called from any.
package places

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/source"
)

// refuseEvery is the least time between two connections for which there is no place: to close one at once costs next to nothing.
const refuseEvery = time.Millisecond

// Book counts the places that are taken. It may serve several listeners together.
type Book struct {
	All, OfSource int           // places in all, and of one source
	Every         time.Duration // the least time between two connections, for what each costs; 0: they cost little

	mu    sync.Mutex
	of    map[netip.Addr]int // by source
	taken int
}

// Take returns how to leave a place; nil: there is none.
func (b *Book) Take(from netip.Addr) (leave func()) {
	who := source.Of(from)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken >= b.All || b.of[who] >= b.OfSource {
		return nil
	}
	if b.of == nil {
		b.of = map[netip.Addr]int{}
	}
	b.of[who]++
	b.taken++
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.taken--
		if b.of[who]--; b.of[who] == 0 {
			delete(b.of, who)
		}
	})
}

// Limit is a listener that closes connections for which there is no place.
func Limit(l net.Listener, b *Book) net.Listener { return &limited{l, b} }

type limited struct {
	net.Listener
	book *Book
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		at, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		if leave := l.book.Take(at.Addr()); leave != nil {
			time.Sleep(l.book.Every)
			return &placed{Conn: c, leave: leave}, nil
		}
		c.Close()
		time.Sleep(refuseEvery)
	}
}

// placed is a connection with a place.
type placed struct {
	net.Conn
	leave func()
}

func (c *placed) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
