package places

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneSourceDoesNotShutTheOthersOut(t *testing.T) {
	b := &Book{All: 3, OfSource: 2}
	one, other, third := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	leave := b.Take(one)
	if leave == nil || b.Take(one) == nil {
		t.Fatal("there is no place for two connections")
	}
	if b.Take(one) != nil {
		t.Error("a source gets more places than it may have")
	}
	if b.Take(other) == nil {
		t.Error("another source gets no place")
	}
	if b.Take(third) != nil {
		t.Error("there are more places than there may be")
	}
	leave()
	leave() // once only
	if b.Take(third) == nil || b.Take(third) != nil {
		t.Error("one place was left, and one was to be had")
	}
}

// Connections that say nothing do not pile up, and one source does not take all places.
func TestConnectionsAreBounded(t *testing.T) {
	const all, ofSource = 32, 8
	synctest.Test(t, func(t *testing.T) {
		var queue fakeListener
		for source := range 6 {
			for range ofSource + 2 {
				queue = append(queue, &fakeConn{from: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(source)}), 50000)})
			}
		}
		came := slices.Clone(queue)
		book := &Book{All: all, OfSource: ofSource, Every: 20 * time.Millisecond}
		l := Limit(&queue, book)
		var open []net.Conn
		of := map[string]int{}
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			open = append(open, c)
			of[c.RemoteAddr().String()]++
		}
		if len(open) != all || len(of) != all/ofSource {
			t.Errorf("%d connections, of %v", len(open), of)
		}
		closed := 0
		for _, c := range came {
			if c.(*fakeConn).closed {
				closed++
			}
		}
		if closed != len(came)-all {
			t.Errorf("%d are closed", closed)
		}
		for _, c := range open {
			c.Close()
			c.Close()
		}
		if book.taken != 0 || len(book.of) != 0 {
			t.Errorf("closed ones keep their places: %d, %v", book.taken, book.of)
		}
	})
}

type fakeConn struct {
	net.Conn
	from   netip.AddrPort
	closed bool
}

func (c *fakeConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.from) }
func (c *fakeConn) Close() error         { c.closed = true; return nil }

type fakeListener []net.Conn

func (l *fakeListener) Accept() (net.Conn, error) {
	if len(*l) == 0 {
		return nil, net.ErrClosed
	}
	c := (*l)[0]
	*l = (*l)[1:]
	return c, nil
}
func (*fakeListener) Close() error   { return nil }
func (*fakeListener) Addr() net.Addr { return nil }
