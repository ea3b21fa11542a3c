package web

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/source"
)

// How many connections there may be, and how many of one source.
const (
	maxConnections = 160
	maxOfSource    = 64
	acceptEvery    = 5 * time.Millisecond // at the soonest: a handshake costs a signature
)

// places are those of the connections that are open.
type places struct {
	mu    sync.Mutex
	of    map[netip.Addr]int // by source
	taken int
}

// take returns how to leave a place; nil: there is none.
func (p *places) take(from net.Addr) (leave func()) {
	at, _ := netip.ParseAddrPort(from.String())
	who := source.Of(at.Addr())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= maxConnections || p.of[who] >= maxOfSource {
		return nil
	}
	if p.of == nil {
		p.of = map[netip.Addr]int{}
	}
	p.of[who]++
	p.taken++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.taken--
		if p.of[who]--; p.of[who] == 0 {
			delete(p.of, who)
		}
	})
}

// limited is a listener that closes connections for which there is no place.
type limited struct {
	net.Listener
	places *places
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if leave := l.places.take(c.RemoteAddr()); leave != nil {
			time.Sleep(acceptEvery)
			return &placed{Conn: c, leave: leave}, nil
		}
		c.Close()
		time.Sleep(time.Millisecond)
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
