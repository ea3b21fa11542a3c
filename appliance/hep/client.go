// Package hep copies the SIP messages of the box to a capture server such as Homer, in packets of HEP3 (EEP), and reports on the voice of each
// side at the end of a call. All packets of a call have one correlation id, the id of the call, on all its legs.
//
// It owns the queue, the connection to the server, and which Call-IDs belong to which call. It does not own the messages, nor what is secret in
// them (package masking), nor the figures of the voice (status.Record).
//
// Trace, Leg and Ended are called on the goroutines of sockets and of calls; they never wait. A packet is put into memory from a pool and stays
// there until it is sent or shed. Run is the one goroutine, with a reader beside each connection over TCP and TLS, for which it waits.
package hep

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/masking"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

const (
	queued     = 4096    // packets
	room       = 4 << 20 // octets of them
	dwell      = 300 * time.Millisecond
	linger     = time.Minute // for which the Call-IDs of a call that is over are known
	mostLegs   = 100_000
	reachTime  = 10 * time.Second
	writeTime  = 10 * time.Second
	firstPause = time.Second
	lastPause  = time.Minute
	steady     = 5 * time.Second // a connection that lasts for so long works
)

// Options are what a Client is given.
type Options struct {
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	TLS    func(p *config.TLSProfile, host string) (*tls.Config, error)
	Away   func(server, why string) // the server is not reached, or is again ("")
}

// Client sends packets to a server while one is configured.
type Client struct {
	o        Options
	settings atomic.Pointer[settings] // nil: nothing is sent
	changed  chan struct{}            // one token: there are other settings
	queue    chan *entry
	octets   atomic.Int64 // in the queue
	pool     sync.Pool
	steady   time.Duration
	sent     atomic.Uint64
	shed     atomic.Uint64

	mu    sync.Mutex
	calls map[string]string   // the id of the call, by Call-ID
	legs  map[string][]string // the Call-IDs, by the id of the call
	over  []finished          // oldest first
	state status.HEP          // without its counters
}

// settings are a configuration with the name of the box.
type settings struct {
	config.HEP
	profile *config.TLSProfile
	name    string
}

// entry is a packet in the queue: a SIP message, or a report. text may be of any size when it comes back from the pool.
type entry struct {
	at            time.Time
	local, remote netip.AddrPort
	sent, udp     bool
	kind          byte   // of the chunk type
	call          string // the id of the call; "": the message has a Call-ID
	text          []byte
}

// finished is a call that is over.
type finished struct {
	at   time.Time
	call string
}

// New returns a client that sends nothing until it is configured.
func New(o Options) *Client {
	return &Client{
		o: o, changed: make(chan struct{}, 1), queue: make(chan *entry, queued), calls: map[string]string{}, legs: map[string][]string{}, steady: steady,
		pool: sync.Pool{New: func() any { return new(entry) }},
	}
}

// Apply takes a configuration, nil for none, with the profile that it names for TLS, and the name of the box.
func (c *Client) Apply(cfg *config.HEP, profile *config.TLSProfile, name string) {
	var s *settings
	if cfg != nil && cfg.Remote.Host != "" {
		s = &settings{HEP: *cfg, profile: profile, name: name}
	}
	old := c.settings.Load()
	if old == nil && s == nil || old != nil && s != nil && *old == *s {
		return
	}
	c.settings.Store(s)
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Trace takes a message.
func (c *Client) Trace(e siptransport.TraceEntry) {
	if c.settings.Load() == nil || e.Dropped != "" {
		return
	}
	x := c.pool.Get().(*entry)
	*x = entry{at: e.Time, local: e.Local, remote: e.Remote, sent: e.Sent, udp: e.Transport == siptransport.UDP, kind: typeSIP, text: append(x.text[:0], e.Message...)}
	c.put(x)
}

// put queues an entry. When the queue is full the oldest one goes.
func (c *Client) put(x *entry) {
	for range 16 {
		if c.octets.Add(int64(len(x.text))) <= room && c.offer(x) {
			return
		}
		c.octets.Add(-int64(len(x.text)))
		select {
		case old := <-c.queue:
			c.shed.Add(1)
			c.free(old)
		default: // the sender has made room
		}
	}
	c.shed.Add(1) // others were quicker each time
}

func (c *Client) offer(x *entry) bool {
	select {
	case c.queue <- x:
		return true
	default:
		return false
	}
}

// free gives an entry that has left the queue back. A rare long message is left to the collector.
func (c *Client) free(x *entry) {
	c.octets.Add(-int64(len(x.text)))
	if cap(x.text) <= 16<<10 {
		c.pool.Put(x)
	}
}

// Leg tells that a dialog belongs to a call.
func (c *Client) Leg(call, callID string) {
	if c.settings.Load() == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) < mostLegs && c.calls[callID] == "" {
		c.calls[callID] = call
		c.legs[call] = append(c.legs[call], callID)
	}
}

// Ended takes the record of a call that is over. Its last messages are still to come.
func (c *Client) Ended(r *status.Record) {
	c.report(r)
	call := r.ID
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for len(c.over) > 0 && now.Sub(c.over[0].at) > linger {
		for _, id := range c.legs[c.over[0].call] {
			delete(c.calls, id)
		}
		delete(c.legs, c.over[0].call)
		c.over = c.over[1:]
	}
	if len(c.legs[call]) > 0 {
		c.over = append(c.over, finished{now, call})
	}
}

// correlation is the id of the call to which a dialog belongs, or else its Call-ID.
func (c *Client) correlation(callID []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := c.calls[string(callID)]; ok {
		return id
	}
	return string(callID)
}

// Run sends until ctx ends.
func (c *Client) Run(ctx context.Context) error {
	for pause := firstPause; ctx.Err() == nil; {
		select {
		case <-c.changed: // what is loaded now
		default:
		}
		s := c.settings.Load()
		if s == nil {
			pause = firstPause
			c.become(status.HEPOff, nil)
			c.drop()
			select {
			case <-ctx.Done():
			case <-c.changed:
			}
			continue
		}
		name := net.JoinHostPort(s.Remote.Host, strconv.Itoa(int(s.Remote.Port)))
		c.become(status.HEPReaching, s)
		conn, err := c.dial(ctx, s)
		if err == nil {
			var worked bool
			if worked, err = c.deliver(ctx, s, conn, name); worked {
				pause = firstPause
			}
		}
		if err == nil || ctx.Err() != nil { // other settings, or those with which it had begun before it heard that they are new
			if c.settings.Load() != s || ctx.Err() != nil {
				c.o.Away(name, "")
			}
			continue
		}
		c.become(status.HEPAway, s)
		c.failed(err)
		c.o.Away(name, err.Error())
		select {
		case <-ctx.Done():
		case <-c.changed:
		case <-time.After(pause):
		}
		if pause = min(2*pause, lastPause); c.settings.Load() != s {
			c.o.Away(name, "")
		}
	}
	return nil
}

// drop empties the queue.
func (c *Client) drop() {
	for {
		select {
		case x := <-c.queue:
			c.free(x)
		default:
			return
		}
	}
}

// dial opens a connection. One over UDP is connected, too: nobody else can send to it.
func (c *Client) dial(ctx context.Context, s *settings) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	addrs, err := c.o.Lookup(ctx, s.Remote.Host)
	if err != nil {
		return nil, err
	}
	network := "tcp"
	if s.Remote.Transport == "udp" {
		network = "udp"
	}
	err = fmt.Errorf("%s has no address", s.Remote.Host)
	for _, a := range addrs[:min(len(addrs), 4)] {
		var conn net.Conn
		if conn, err = new(net.Dialer).DialContext(ctx, network, netip.AddrPortFrom(a, s.Remote.Port).String()); err == nil {
			return c.secure(ctx, s, conn)
		}
	}
	return nil, err
}

// secure makes the connection one of TLS where that is configured.
func (c *Client) secure(ctx context.Context, s *settings, conn net.Conn) (net.Conn, error) {
	if s.Remote.Transport != "tls" {
		return conn, nil
	}
	err := errors.New("hep-client has no profile tls")
	var t *tls.Config
	if s.profile != nil {
		t, err = c.o.TLS(s.profile, s.Remote.Host)
	}
	if err == nil {
		secured := tls.Client(conn, t)
		if err = secured.HandshakeContext(ctx); err == nil {
			return secured, nil
		}
	}
	conn.Close()
	return nil, err
}

// deliver sends over a connection until it breaks, which is the error, or there are other settings, or ctx ends. It reports whether the
// connection worked for a while: something in front of a dead server takes connections, too, and closes them.
func (c *Client) deliver(ctx context.Context, s *settings, conn net.Conn, name string) (worked bool, err error) {
	broken := make(chan error, 1)
	if s.Remote.Transport != "udp" {
		go func() { // a server has nothing to say: this hears of the end
			_, err := io.Copy(io.Discard, conn)
			if err == nil {
				err = errors.New("the server has closed the connection")
			}
			broken <- err
		}()
		defer func() { <-broken }()
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Now().Add(time.Second)) })()
	w, works := writer{conn: conn}, time.After(c.steady)
	for {
		select {
		case <-ctx.Done():
			return worked, nil
		case <-c.changed:
			return worked, nil
		case err := <-broken:
			broken <- err // for the one who waits
			return worked, err
		case <-works:
			worked = true
			c.become(status.HEPSending, s)
			c.o.Away(name, "")
		case x := <-c.queue:
			// An INVITE is here before the call is that it begins.
			if wait := dwell - time.Since(x.at); wait > 0 && wait <= dwell {
				select {
				case <-ctx.Done():
				case <-time.After(wait):
				}
			}
			err := w.write(c.packet(s, &w, x))
			c.free(x)
			switch {
			case err == nil:
				c.sent.Add(1)
			case s.Remote.Transport == "udp": // whether a server is there, nobody knows
				c.failed(err)
			default:
				return worked, err
			}
		}
	}
}

// writer has the memory for one packet.
type writer struct {
	conn  net.Conn
	b     []byte
	lower []byte
}

func (w *writer) write(b []byte) error {
	w.b = b
	w.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := w.conn.Write(b)
	return err
}

// packet is an entry as it is sent, in the memory of w.
func (c *Client) packet(s *settings, w *writer, x *entry) []byte {
	p := packet{at: x.at, source: x.remote, dest: x.local, udp: x.udp, kind: x.kind, node: uint32(s.Node.ID), nodeName: s.Node.Name, key: string(s.AuthKey), payload: x.text}
	if x.sent {
		p.source, p.dest = x.local, x.remote
	}
	if p.nodeName == "" {
		p.nodeName = s.name
	}
	if p.callID = x.call; p.callID != "" {
		return p.append(w.b[:0])
	}
	p.callID = c.correlation(sipmsg.CallIDOf(x.text))
	var spills bool
	if spills, w.lower = maySpill(x.text, w.lower); spills {
		p.payload = []byte(masking.SameLength(string(x.text)))
	}
	return p.append(w.b[:0])
}
