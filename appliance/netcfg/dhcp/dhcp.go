// Package dhcp is a DHCP client (RFC 2131) for one port: it gets a lease, renews and rebinds it, confirms it after the link was
// away, and releases it.
//
// It owns the messages and the state of the lease. It does not own the address, the routes or the name servers: the caller of Run gets
// each lease and applies it. Frames bypass the kernel's network, since there is no address to speak from, and its firewall. The
// goroutines are Run's caller and a reader of frames that Run waits for.
package dhcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/status"
)

// Conn carries whole Ethernet frames of one device.
type Conn io.ReadWriteCloser

// Options configure a Client.
type Options struct {
	Log    *slog.Logger
	Device string // for the log
	MAC    [6]byte
	Conn   Conn // closed when Run ends
}

// Lease is a lease from a server.
type Lease struct {
	Prefix      netip.Prefix // address with the network's length
	Router      netip.Addr   // of the default route, perhaps outside of the network; not valid when the server named none
	Routes      []Route      // besides the default route
	NameServers []netip.Addr
	Server      netip.Addr
	Obtained    time.Time
	Renew       time.Time // T1: the server is asked for more
	Rebind      time.Time // T2: any server is asked
	Expires     time.Time
	hardware    [6]byte // of the server, or of the relay that stands for it
}

// ErrRelease as the cause of the end of Run's context gives the lease back to the server.
var ErrRelease = errors.New("release")

// Client gets and keeps one lease.
type Client struct {
	o       Options
	confirm chan struct{} // one token: the link was away; ask whether the lease still holds, or for one at once
	packets chan packet
	xid     uint32
	began   time.Time // of the present attempt, for the secs field

	mu      sync.Mutex
	state   status.LeaseState
	lease   *Lease // nil: none
	failure string // of the last attempt
}

// New returns a client; nothing happens before Run.
func New(o Options) *Client {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{o: o, confirm: make(chan struct{}, 1), packets: make(chan packet)}
}

// Status returns the lease and the present step.
func (c *Client) Status() status.Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := status.Lease{State: c.state, Error: c.failure}
	l := c.lease
	if l == nil {
		return s
	}
	s.Address, s.Router, s.NameServers, s.Server, s.Renew, s.Expires = l.Prefix, l.Router, l.NameServers, l.Server, l.Renew, l.Expires
	for _, r := range l.Routes {
		s.Routes = append(s.Routes, status.Route{Prefix: r.Prefix, Gateway: r.Gateway, Origin: status.RouteLeased})
	}
	return s
}

// Confirm asks the server whether the lease still holds: the link was away, and the wire may lead to another network now. Without a
// lease it asks for one at once.
func (c *Client) Confirm() {
	select {
	case c.confirm <- struct{}{}:
	default:
	}
}

// Run gets a lease and keeps it until ctx ends; with the cause ErrRelease it gives it back then. It calls told with each
// new or extended lease, and with nil when the lease is lost; told must not block for long.
func (c *Client) Run(ctx context.Context, told func(*Lease)) {
	var reader sync.WaitGroup
	done := make(chan struct{})
	reader.Go(func() { c.read(done) })
	defer reader.Wait()
	defer c.o.Conn.Close()
	defer close(done)
	var lease *Lease
	for ctx.Err() == nil {
		if lease == nil {
			if lease = c.acquire(ctx); lease == nil {
				continue
			}
			c.o.Log.Info("lease obtained", "if", c.o.Device, "peer", lease.Server, "address", lease.Prefix, "expires", lease.Expires)
			told(lease)
		}
		next := c.keep(ctx, lease)
		if ctx.Err() != nil {
			break
		}
		if next == nil {
			c.o.Log.Warn("lease lost", "if", c.o.Device, "address", lease.Prefix)
			c.set(status.LeaseDiscovering, nil)
		}
		lease = next
		told(lease)
	}
	if lease != nil && errors.Is(context.Cause(ctx), ErrRelease) {
		c.send(lease.hardware, lease.Prefix.Addr(), lease.Server, message{kind: kindRelease, ciaddr: lease.Prefix.Addr(),
			options: map[byte][]byte{optServer: lease.Server.AsSlice()}})
	}
}

// read passes on the frames that are answers to us.
func (c *Client) read(done <-chan struct{}) {
	buf := make([]byte, 2048)
	for {
		n, err := c.o.Conn.Read(buf)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errClosed):
			return
		case err != nil: // the device is down for a moment, and the socket says so once
			select {
			case <-done:
				return
			case <-time.After(time.Second):
				continue
			}
		}
		p, ok := parse(buf[:n])
		if !ok || p.hw != c.o.MAC {
			continue
		}
		select {
		case c.packets <- p:
		case <-done:
			return
		}
	}
}

func (c *Client) set(state status.LeaseState, lease *Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state, c.lease = state, lease
}

func (c *Client) problem(text string) {
	c.mu.Lock()
	news := c.failure != text && text != ""
	c.failure = text
	c.mu.Unlock()
	if news {
		c.o.Log.Warn("no lease", "if", c.o.Device, "err", text)
	}
}

// begin starts an attempt with an identifier of its own.
func (c *Client) begin() { c.xid, c.began = rand.Uint32(), time.Now() }

// send sends one message. A message that the device refuses is lost, like one that the wire loses.
func (c *Client) send(hardware [6]byte, from, to netip.Addr, m message) {
	m.xid, m.hw, m.secs = c.xid, c.o.MAC, uint16(min(time.Since(c.began)/time.Second, 0xffff))
	m.options[optClientID] = append([]byte{1}, c.o.MAC[:]...)
	if m.kind != kindRelease {
		m.options[optWanted] = []byte{optRoutes, optMask, optRouter, optNameServers, optLeaseTime, optServer, optRenew, optRebind}
		m.options[optMaxSize] = []byte{1500 >> 8, 1500 & 0xff}
	}
	if _, err := c.o.Conn.Write(frame(c.o.MAC, hardware, from, to, m)); err != nil {
		c.problem(fmt.Sprintf("send: %v", err))
	}
}

var (
	everybody = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	nobody    = netip.IPv4Unspecified()
)
