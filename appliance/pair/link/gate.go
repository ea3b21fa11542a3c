package link

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	handshakeTime = 3 * time.Second // from the first octet of a connection to its last of TLS
	handshakes    = 4               // at a time
	retryTime     = time.Second     // between two attempts to listen, or to reach the other box
	silence       = 4 * time.Second // then a connection is lost: the other box says something each second
)

// gate lets the other box in to the engine, and nobody else. The engine itself has no socket: it sees connections only after TLS.
type gate struct {
	own    netip.AddrPort
	other  netip.Addr
	tls    *tls.Config
	engine func() (net.Conn, error) // opens a connection within the process
	states func(connected bool)     // a connection is there, or is not any more
	told   func(err error)          // why there is no socket; nil: there is one
	turned func(why error)          // somebody was not let in

	mu      sync.Mutex // protects the following
	present net.Conn   // the connection of the other box; another one that comes takes its place
}

// run listens until ctx ends. It waits for all connections.
func (g *gate) run(ctx context.Context) {
	var connections sync.WaitGroup
	defer connections.Wait()
	for ctx.Err() == nil {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(g.own))
		g.told(err)
		if err == nil {
			g.accept(ctx, l, &connections)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryTime):
		}
	}
}

func (g *gate) accept(ctx context.Context, l *net.TCPListener, connections *sync.WaitGroup) {
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	free := make(chan struct{}, handshakes)
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			if ctx.Err() == nil {
				g.told(err)
			}
			return
		}
		// The firewall lets nobody else get this far. Where it does not, a connection costs this much and no more.
		if from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); from != g.other {
			conn.Close()
			continue
		}
		select {
		case free <- struct{}{}:
		default:
			conn.Close()
			continue
		}
		connections.Go(func() { g.welcome(ctx, conn, func() { <-free }) })
	}
}

// welcome has a connection prove that it is the other box, and passes on what it says.
func (g *gate) welcome(ctx context.Context, raw net.Conn, done func()) {
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	defer raw.Close()
	conn := tls.Server(raw, g.tls)
	_ = raw.SetDeadline(time.Now().Add(handshakeTime))
	err := conn.HandshakeContext(ctx)
	done()
	if err != nil {
		g.turned(err)
		return
	}
	_ = raw.SetDeadline(time.Time{})
	inner, err := g.engine()
	if err != nil {
		g.turned(err)
		return
	}
	defer inner.Close()
	g.enter(raw)
	defer g.leave(raw)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(timed{conn}, inner)
		raw.Close()
	})
	_, _ = io.Copy(inner, timed{conn})
	inner.Close()
	raw.Close()
	back.Wait()
}

// enter has a connection be the one of the other box.
func (g *gate) enter(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.present != nil {
		g.present.Close()
	}
	g.present = conn
	g.states(true)
}

func (g *gate) leave(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.present == conn {
		g.present = nil
		g.states(false)
	}
}

// timed is a connection that ends when nothing comes any more, or nothing is taken.
type timed struct{ net.Conn }

func (t timed) Read(p []byte) (int, error) {
	_ = t.SetReadDeadline(time.Now().Add(silence))
	return t.Conn.Read(p)
}

func (t timed) Write(p []byte) (int, error) {
	_ = t.SetWriteDeadline(time.Now().Add(silence))
	return t.Conn.Write(p)
}

// dial reaches the gate of the other box, from the address of the direct path.
func dial(ctx context.Context, s *Settings) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.Own.Addr(), 0))
	raw, err := (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", s.Other.String())
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, s.Key.tls(s.Pin))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return conn, nil
}
