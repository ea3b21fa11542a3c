package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Hub is one SIP proxy of Teams: a listener for the box's connections, and one connection to the
// box for its own requests. Neither carries the other's requests (teams.md A.15).
type Hub struct {
	Name  string // as the box dials it
	Index int

	teams *Teams
	site  site

	mu       sync.Mutex // protects the following
	listener net.Listener
	open     map[net.Conn]bool // accepted connections
	accepts  sync.WaitGroup

	// The following belong to Teams' goroutine.
	behaviour Behaviour
	seen      time.Time // last OPTIONS from the box
	answered  time.Time // last OPTIONS of ours that the box answered well
	polling   bool
	told      bool
	invites   int
	options   int
	out       *flow
	waiting   []func(*flow, error) // for out
}

// Start makes the hub listen (again).
func (h *Hub) Start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listener != nil {
		return nil
	}
	l, err := h.teams.world.WAN.Listen(h.teams.ctx, "tcp4", netip.AddrPortFrom(h.site.addr, teamsPort).String())
	if err != nil {
		return fmt.Errorf("listen as %s: %w", h.Name, err)
	}
	h.listener = l
	h.accepts.Go(func() { h.accept(l) })
	return nil
}

// Stop makes the hub refuse connections and drops the open ones.
func (h *Hub) Stop() {
	h.mu.Lock()
	if h.listener != nil {
		h.listener.Close()
		h.listener = nil
	}
	for conn := range h.open {
		conn.Close()
	}
	h.mu.Unlock()
	_ = h.teams.do(func() {
		if h.out != nil {
			h.out.close()
		}
	})
	h.accepts.Wait()
}

// Behave sets how the hub treats the box from now on.
func (h *Hub) Behave(b Behaviour) { _ = h.teams.do(func() { h.behaviour = b }) }

// Invites is how many INVITEs outside of dialogs came to this hub, refused ones included.
func (h *Hub) Invites() (n int) {
	_ = h.teams.do(func() { n = h.invites })
	return n
}

// Options is how many OPTIONS came to this hub.
func (h *Hub) Options() (n int) {
	_ = h.teams.do(func() { n = h.options })
	return n
}

// Active says whether the hub takes the box for healthy: OPTIONS seen, and its own answered.
func (h *Hub) Active() (active bool) {
	_ = h.teams.do(func() { active = h.active() })
	return active
}

func (h *Hub) active() bool {
	return time.Since(h.seen) < healthy && time.Since(h.answered) < healthy
}

// WaitActive waits until the hub is active.
func (h *Hub) WaitActive(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !h.Active() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			var seen, answered bool
			_ = h.teams.do(func() { seen, answered = !h.seen.IsZero(), !h.answered.IsZero() })
			return fmt.Errorf("wait for %s to become active (OPTIONS from the box seen: %v, ours answered: %v): %w", h.Name, seen, answered, ctx.Err())
		}
	}
	return nil
}

func (h *Hub) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.open[conn] = true
		h.mu.Unlock()
		h.accepts.Go(func() {
			h.serve(conn)
			h.mu.Lock()
			delete(h.open, conn)
			h.mu.Unlock()
			conn.Close()
		})
	}
}

// serve is one connection that the box opened.
func (h *Hub) serve(raw net.Conn) {
	conn := tls.Server(raw, h.teams.tls)
	from := raw.RemoteAddr().String()
	ctx, cancel := context.WithTimeout(h.teams.ctx, handshakeTimeout)
	err := conn.HandshakeContext(ctx)
	cancel()
	if err != nil {
		if h.teams.ctx.Err() == nil && !looked(err) {
			h.teams.post(func() { h.teams.refuse("handshake", from, &refusal{text: err.Error()}) })
		}
		return
	}
	f := streamFlow("tls", conn, true)
	f.hub = h
	if err := readStream(conn, f, teamsIdle, func(b []byte) { h.teams.receive(f, b) }); err != nil && errors.Is(err, io.ErrUnexpectedEOF) {
		h.teams.post(func() { h.teams.refuse("connection", from, &refusal{text: err.Error()}) })
	}
}

// looked reports whether somebody only looked whether the hub is there, or whether it speaks TLS 1.3, as a check does.
func looked(err error) bool {
	return err == io.EOF || strings.HasSuffix(err.Error(), "client offered only unsupported versions: [304]")
}

// way finds the hub's own connection to the box, and opens it if there is none. Runs in Teams' goroutine.
func (h *Hub) way(use func(*flow, error)) {
	if h.out != nil {
		use(h.out, nil)
		return
	}
	h.waiting = append(h.waiting, use)
	if len(h.waiting) > 1 {
		return // being opened
	}
	t := h.teams
	t.wg.Go(func() {
		conn, err := h.connect()
		if err != nil {
			t.post(func() { h.opened(nil, err) })
			return
		}
		f := streamFlow("tls", conn, false)
		f.hub = h
		t.post(func() { h.opened(f, nil) })
		_ = readStream(conn, f, 0, func(b []byte) { t.receive(f, b) })
		conn.Close()
		t.post(func() {
			if h.out == f {
				h.out = nil
			}
			if t.world.options.Pair && t.ctx.Err() == nil {
				h.again(f)
			}
		})
	})
}

// again sends what had no answer on a connection that broke over another one, once: the other box of a pair knows nothing of the connection.
func (h *Hub) again(broken *flow) {
	broken.gone = true
	for _, tx := range h.teams.clients {
		if tx.flow != broken || tx.heard || tx.final || tx.moved {
			continue
		}
		tx.moved = true
		h.way(func(f *flow, err error) {
			if err != nil {
				tx.fail(h.teams.agent, 503, "Connection Failed: "+err.Error())
				return
			}
			tx.move(h.teams.agent, f)
		})
	}
}

func (h *Hub) opened(f *flow, err error) {
	h.out = f
	waiting := h.waiting
	h.waiting = nil
	for _, use := range waiting {
		use(f, err)
	}
}

// connect dials the box by its name, as Microsoft finds it in the public DNS.
func (h *Hub) connect() (net.Conn, error) {
	t := h.teams
	ctx, cancel := context.WithTimeout(t.ctx, handshakeTimeout)
	defer cancel()
	addr, err := t.world.DNS.lookup(SBCName)
	if err != nil {
		return nil, err
	}
	to := netip.AddrPortFrom(addr, t.options.SBCPort)
	raw, err := t.world.WAN.Dial(ctx, "tcp4", h.site.addr.String(), to.String())
	if err != nil {
		return nil, fmt.Errorf("connect from %s to %s: %w", h.Name, SBCName, err)
	}
	conn := tls.Client(raw, t.dial)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("handshake of %s with %s: %w", h.Name, SBCName, err)
	}
	// The reader ends with the world.
	context.AfterFunc(t.ctx, func() { raw.Close() })
	return conn, nil
}

// poll sends OPTIONS to the box, now and then every interval, once the box has sent one itself.
func (h *Hub) poll() {
	t := h.teams
	t.after(t.options.OptionsInterval, h.poll)
	h.way(func(f *flow, err error) {
		if err != nil {
			t.refuse("our OPTIONS", SBCName, &refusal{text: err.Error()})
			return
		}
		m := &message{method: "OPTIONS", uri: fmt.Sprintf("sip:%s:%d;transport=tls", SBCName, t.options.SBCPort)}
		m.add("Max-Forwards", "70")
		m.add("From", fmt.Sprintf("<sip:%s:%d>;tag=%s", h.site.name, teamsPort, token(8)))
		m.add("To", fmt.Sprintf("<sip:%s:%d>", SBCName, t.options.SBCPort))
		m.add("Call-ID", token(16))
		m.add("CSeq", "1 OPTIONS")
		m.add("Contact", fmt.Sprintf("<sip:%s:%d;transport=tls>", h.site.region, teamsPort))
		m.add("User-Agent", teamsServer)
		m.add("Allow", teamsAllow)
		t.request(f, m, func(m *message) {
			if m.code < 200 {
				return
			}
			if r := t.checkOptionsResponse(m); r != nil {
				t.refuse(m.describe(), f.String(), r)
				return
			}
			h.answered = time.Now()
			h.tellActive()
		})
	})
}

func (h *Hub) tellActive() {
	if !h.told && h.active() {
		h.told = true
		h.teams.tell("%s takes %s for healthy: its OPTIONS came, ours was answered", h.Name, SBCName)
	}
}
