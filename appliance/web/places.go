package web

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/source"
)

// How many connections there may be, and how many of one source.
const (
	maxConnections = 160
	maxOfSource    = 64
	acceptEvery    = 5 * time.Millisecond // at the soonest: a handshake costs a signature,
	refuseEvery    = time.Millisecond     // and a connection that is closed at once next to nothing
)

// places are those of the connections that are open. Connections without a session give way to new ones: a stranger who opens many must not keep
// the administrator out.
type places struct {
	mu    sync.Mutex
	taken map[*placed]bool
}

// placed is a connection with a place.
type placed struct {
	net.Conn
	places *places
	from   netip.Addr // its source
	inside bool       // a request with a session came; under places.mu
}

func (c *placed) Close() error {
	c.places.mu.Lock()
	delete(c.places.taken, c)
	c.places.mu.Unlock()
	return c.Conn.Close()
}

// take gives a connection a place; nil: there is none. One that has to give way is closed.
func (p *places) take(conn net.Conn) *placed {
	at, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	c := &placed{Conn: conn, places: p, from: source.Of(at.Addr())}
	p.mu.Lock()
	same := map[netip.Addr]int{}
	for other := range p.taken {
		same[other.from]++
	}
	var way *placed
	switch {
	case same[c.from] >= maxOfSource:
		way = p.stranger(c.from)
	case len(p.taken) >= maxConnections:
		way = p.stranger(p.crowd(c.from))
	}
	full := way == nil && (same[c.from] >= maxOfSource || len(p.taken) >= maxConnections)
	if !full {
		if p.taken == nil {
			p.taken = map[*placed]bool{}
		}
		delete(p.taken, way)
		p.taken[c] = true
	}
	p.mu.Unlock()
	if way != nil {
		way.Conn.Close()
	}
	if full {
		return nil
	}
	return c
}

// crowd is the source with the most connections without a session. The lock is held.
func (p *places) crowd(coming netip.Addr) (most netip.Addr) {
	of := map[netip.Addr]int{coming: 1}
	most = coming
	for c := range p.taken {
		if c.inside {
			continue
		}
		if of[c.from]++; of[c.from] > of[most] {
			most = c.from
		}
	}
	return most
}

// stranger is a connection of a source without a session, by chance; nil: there is none. The lock is held.
func (p *places) stranger(from netip.Addr) *placed {
	var list []*placed
	for c := range p.taken {
		if c.from == from && !c.inside {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[rand.IntN(len(list))]
}

// limited is a listener that closes connections for which there is no place.
type limited struct {
	net.Listener
	places *places
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.places.take(conn); c != nil {
			time.Sleep(acceptEvery)
			return c, nil
		}
		conn.Close()
		time.Sleep(refuseEvery)
	}
}

type placeKey struct{}

// withPlace lets the requests of a connection know its place.
func withPlace(ctx context.Context, conn net.Conn) context.Context {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	c, _ := conn.(*placed)
	return context.WithValue(ctx, placeKey{}, c)
}

// inside notes that a request with a session has come on this connection.
func (p *places) inside(r *http.Request) {
	if c, _ := r.Context().Value(placeKey{}).(*placed); c != nil {
		p.mu.Lock()
		c.inside = true
		p.mu.Unlock()
	}
}
