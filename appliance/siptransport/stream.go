package siptransport

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/sipmsg"
)

const (
	maxQueued      = 1 << 20          // octets that wait for a slow peer before its connection is given up
	maxBatch       = 64 << 10         // octets that are written at once
	firstBuffer    = 8 << 10          // octets that every connection has for reading
	writeTimeout   = 10 * time.Second // for one batch of messages
	readTimeout    = 20 * time.Minute // an accepted connection on which nothing comes
	partialTimeout = 30 * time.Second // a message, from its first octet to its last
	pingInterval   = 60 * time.Second // a double CRLF on an idle connection of ours: the peer's idle timer (A.16)
	paceInterval   = 20 * time.Millisecond
	renewAfter     = 50 * time.Minute // a connection of ours is renewed, hourly at least (A.16)
)

var (
	errConnClosed = errors.New("connection closed")
	errTooSlow    = errors.New("a message did not end in its time")
	errIdle       = errors.New("nothing came for too long")
	errQueueFull  = errors.New("the peer takes nothing")
)

// stream is a TCP or TLS connection, ours or the peer's. One goroutine reads it, one writes it; ours also dials it. Requests of a peer
// are taken from both: but for Teams, every peer sends its BYE on the connection that brought it our INVITE (RFC 3261 18.2.2 and
// 18.3 know no direction).
type stream struct {
	g        *Gate
	kind     Transport
	accepted bool
	caller
	trusted bool // requests are taken; set before it is read, for ours when its address is known
	opened  time.Time
	target  netip.AddrPort // ours: what was dialled, or is now; guarded by the connections of the gate, as trusted is

	mu    sync.Mutex
	conn  net.Conn // nil while it is being dialled
	peer  netip.AddrPort
	here  netip.AddrPort // our end; before it is open its address alone
	held  int            // octets that count as waiting: size, and what reading takes
	wake  chan struct{}
	done  chan struct{}
	err   error // why it closed
	state streamState
	outbox
	usage
}

// caller says whose connection an accepted one is. It does not change, but for spoken.
type caller struct {
	id     FlowID
	from   netip.Addr
	phone  bool        // from the network of phones
	spoken atomic.Bool // something came on it that could be understood
}

type streamState uint8

const (
	streamOpen    streamState = iota // it may still be dialled
	streamRetired                    // no new users; closes after the last
	streamClosed
)

// outbox holds the messages that wait to be written.
type outbox struct {
	queue []queued
	size  int // octets in queue, and being written
}

// usage tells who needs a connection, and when it was used last.
type usage struct {
	users map[int]func(error)
	next  int
	used  time.Time
}

type queued struct {
	m      []byte
	wanted func() bool
	failed func(error)
}

// octets is the size that counts. Even the smallest message costs something.
func (q queued) octets() int { return len(q.m) + 64 }

func newStream(g *Gate, kind Transport, accepted bool) *stream {
	now := time.Now()
	s := &stream{g: g, kind: kind, accepted: accepted, opened: now, usage: usage{users: map[int]func(error){}, used: now},
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	if accepted {
		s.id = FlowID(lastFlow.Add(1))
	}
	return s
}

func (s *stream) Reliable() bool       { return true }
func (s *stream) Transport() Transport { return s.kind }

func (s *stream) Remote() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer
}

func (s *stream) Local() netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.here.Addr()
}

func (s *stream) Send(m []byte, wanted func() bool, failed func(error)) {
	q := queued{m, wanted, failed}
	s.mu.Lock()
	err, total := s.err, int64(0)
	if s.state != streamClosed {
		if err = nil; s.size+q.octets() > maxQueued {
			err = errQueueFull
		} else {
			s.queue, s.size, s.used = append(s.queue, q), s.size+q.octets(), time.Now()
			total = s.countHeldLocked(q.octets())
		}
	}
	s.mu.Unlock()
	if total > maxHeld {
		s.g.shed()
	}
	if err == nil {
		s.signal()
		return
	}
	if err == errQueueFull {
		s.close(err)
	}
	if failed != nil {
		failed(err)
	}
}

// says reports whether something waits to be written to a peer that is connected, or a peer's connection is in its handshake.
func (s *stream) says() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state != streamClosed && s.conn != nil && (s.size > 0 || s.accepted && !s.here.IsValid())
}

// connected reports whether the connection has been opened.
func (s *stream) connected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn != nil
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) Hold(lost func(error)) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.next
	s.next++
	s.users[id] = lost
	return func() {
		s.mu.Lock()
		delete(s.users, id)
		retired := s.state == streamRetired
		s.mu.Unlock()
		if retired {
			s.signal()
		}
	}
}

// retire lets the transactions on this connection finish; its writer then closes it.
func (s *stream) retire() {
	s.mu.Lock()
	if s.state == streamOpen {
		s.state = streamRetired
	}
	s.mu.Unlock()
	s.signal()
}

// fresh reports whether new requests may still use the connection.
func (s *stream) fresh() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == streamOpen && time.Since(s.opened) < renewAfter
}

// close ends the connection, once, and tells its users.
func (s *stream) close(err error) {
	s.mu.Lock()
	if s.state == streamClosed {
		s.mu.Unlock()
		return
	}
	s.state = streamClosed
	var te *Error
	if !errors.As(err, &te) {
		err = &Error{Op: "connection", Peer: s.peer.String(), Err: err}
	}
	s.err = err
	if s.accepted {
		s.g.connections.held.Add(-int64(s.held))
	}
	conn, queue, users, here, peer := s.conn, s.queue, s.users, s.here, s.peer
	s.queue, s.users = nil, map[int]func(error){}
	close(s.done)
	s.mu.Unlock()

	if conn != nil {
		s.g.end(conn)
		s.g.forgets(line{here, peer})
	}
	s.g.connections.forget(s)
	for _, id := range slices.Sorted(maps.Keys(users)) { // what goes again goes in its order
		if lost := users[id]; lost != nil {
			lost(err)
		}
	}
	for _, q := range queue {
		if q.failed != nil {
			q.failed(err)
		}
	}
	if f := s.g.opts.OnLost; f != nil && s.accepted && s.g.connects() {
		f(s.id)
	}
}

// start begins reading and writing on an open connection.
func (s *stream) start(conn net.Conn) bool {
	s.mu.Lock()
	if s.state == streamClosed {
		s.mu.Unlock()
		s.g.end(conn)
		return false
	}
	s.conn, s.peer, s.here = conn, addrPortOf(conn.RemoteAddr()), addrPortOf(conn.LocalAddr())
	s.g.keeps(line{s.here, s.peer}) // under the lock, so that its end does not overtake it
	s.mu.Unlock()
	if !s.g.spawn(s.write) || !s.g.spawn(s.read) {
		s.close(errConnClosed)
		return false
	}
	return true
}

// write sends the queued messages, several in one segment if possible.
func (s *stream) write() {
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	var batch []queued
	var out []byte
	for {
		s.mu.Lock()
		batch = s.takeBatch(batch[:0])
		spent := s.state == streamRetired && len(s.users) == 0 && len(batch) == 0
		s.mu.Unlock()
		if spent {
			s.close(errConnClosed)
			return
		}
		out = out[:0]
		written := 0
		for i, q := range batch {
			written += q.octets()
			if q.wanted == nil || q.wanted() {
				s.g.trace(s.kind, s.here, s.peer, true, q.m)
				s.g.Counts(s.peer.Addr()).Written(q.m)
				out = append(out, q.m...)
			}
			batch[i] = queued{}
		}
		if len(out) > 0 && !s.writeNow(out) {
			return
		}
		if written > 0 {
			s.mu.Lock()
			s.size -= written
			s.countHeldLocked(-written)
			s.mu.Unlock()
			continue // more may have come, or the last user gone
		}
		select {
		case <-s.wake:
		case <-s.done:
			return
		case <-ping.C:
			if !s.accepted && !s.ping() {
				return
			}
		}
	}
}

// takeBatch takes the messages for one write from the queue. The caller holds the lock.
func (s *stream) takeBatch(batch []queued) []queued {
	n, size := 0, 0
	for n < len(s.queue) && (n == 0 || size < maxBatch) {
		size += s.queue[n].octets()
		n++
	}
	batch = append(batch, s.queue[:n]...)
	s.queue = slices.Delete(s.queue, 0, n)
	if len(s.queue) == 0 && cap(s.queue) > 1024 {
		s.queue = nil
	}
	return batch
}

// ping keeps an idle connection of ours alive. It closes the connection after an hour without use.
func (s *stream) ping() bool {
	s.mu.Lock()
	idle := time.Since(s.used)
	busy := len(s.users) > 0
	s.mu.Unlock()
	if idle > time.Hour && !busy {
		s.close(errConnClosed)
		return false
	}
	if idle < pingInterval/2 {
		return true // the next turn comes before the peer's two minutes are over
	}
	return s.writeNow([]byte(sipmsg.KeepAlive))
}

func (s *stream) writeNow(b []byte) bool {
	if !s.g.Speaks() {
		s.close(errSilent)
		return false
	}
	s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.conn.Write(b); err != nil {
		s.close(&Error{Op: "write", Peer: s.peer.String(), Err: err})
		return false
	}
	return true
}

// read reads messages and hands them on in their order until the connection ends. Each message has a time limit as a whole, even if it
// trickles in.
func (s *stream) read() {
	buf := make([]byte, 0, firstBuffer)
	var began time.Time // when the message began that is not whole yet; zero: none has
	for {
		if len(buf) == cap(buf) {
			s.countHeld(cap(buf))
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		switch {
		case !began.IsZero():
			s.conn.SetReadDeadline(began.Add(partialTimeout))
		case s.accepted && !(s.phone && s.spoken.Load()): // a phone may be silent until it registers again; TCP finds out when it is gone
			s.conn.SetReadDeadline(time.Now().Add(readTimeout))
		default:
			s.conn.SetReadDeadline(time.Time{})
		}
		n, err := s.conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rest, ok := s.deliver(buf)
		if !ok {
			return
		}
		if err != nil {
			s.readEnded(err, len(rest) > 0)
			return
		}
		switch {
		case len(bytes.Trim(rest, "\r\n")) == 0: // half a keep-alive at most
			began = time.Time{}
		case began.IsZero() || len(rest) < len(buf):
			began = time.Now()
		}
		buf = append(buf[:0], rest...)
		if len(buf) == 0 && cap(buf) > 2*firstBuffer {
			s.countHeld(firstBuffer - cap(buf))
			buf = make([]byte, 0, firstBuffer)
		}
	}
}

// readEnded closes the connection after the last read.
func (s *stream) readEnded(err error, partial bool) {
	if s.accepted && s.kind.Secure() {
		s.g.alerted(s.peer, err)
	}
	switch {
	case err == io.EOF:
		err = errConnClosed
	case partial && errors.Is(err, os.ErrDeadlineExceeded):
		err = errTooSlow
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errIdle
	}
	if err == errTooSlow {
		s.g.closeBecause(s, err)
		return
	}
	s.close(err)
}

// deliver handles every whole message in b and returns what is left.
func (s *stream) deliver(b []byte) (rest []byte, ok bool) {
	for {
		head, body, n, pongs, f, fatal := sipmsg.FrameStream(b)
		if pongs > 0 && s.accepted {
			s.Send([]byte("\r\n"), nil, nil) // RFC 5626 4.4.1
		}
		if head != nil && !s.pace() {
			return nil, false
		}
		if !s.g.Speaks() {
			s.close(errSilent)
			return nil, false
		}
		if head != nil {
			if s.accepted && f.Err == nil {
				s.markUsed()
			}
			s.g.trace(s.kind, s.here, s.peer, false, b[n-len(head)-len(body):n])
			s.g.receive(head, body, f, Arrival{Flow: s, Source: s.peer, Local: s.here, Trusted: s.trusted})
		}
		if fatal {
			s.g.Repeats.Log(slog.LevelInfo, "connection closed", s.peer.Addr().String(), "", "gw", s.g.name, "peer", s.peer, "err", f.Err)
			s.lingerClose(f.Err)
			return nil, false
		}
		b = b[n:]
		if head == nil {
			return b, true
		}
	}
}

// markUsed notes that the connection has brought a message.
func (s *stream) markUsed() {
	s.spoken.Store(true)
	s.mu.Lock()
	s.used = time.Now()
	s.mu.Unlock()
}

// pace slows reading down to the rate that a source may send at; the rest waits with the sender. It returns false if the connection has
// ended.
func (s *stream) pace() bool {
	for !s.g.allowsMessage(s.peer.Addr()) {
		select {
		case <-time.After(paceInterval):
		case <-s.done:
			return false
		}
	}
	return true
}

// lingerClose closes the connection after a moment, so that the response to a message without an end can still leave.
func (s *stream) lingerClose(err error) {
	time.AfterFunc(500*time.Millisecond, func() { s.close(err) })
}

func addrPortOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
