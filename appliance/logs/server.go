package logs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/appliance/config"
)

const (
	reachTime  = 10 * time.Second // for a connection, and for the handshake of TLS
	writeTime  = 20 * time.Second // without progress: then the connection is dead
	steady     = 5 * time.Second  // a connection that lasts for so long works
	firstPause = time.Second      // between attempts; doubled with each
	lastPause  = time.Minute
	lastWords  = time.Second // for what waits when the box ends
	lookupTime = 2 * time.Second
)

// server is one syslog server, with what waits for it.
type server struct {
	config.SyslogRemote
	profile *config.TLSProfile
	log     *Syslog
	queue   *queue
}

// newServer returns the server of before when nothing of it has changed, and otherwise another one, which takes over what waits.
func (l *Syslog) newServer(r config.SyslogRemote, profile *config.TLSProfile, before []*server) *server {
	if r.Transport != "tls" {
		profile = nil
	}
	s := &server{SyslogRemote: r, profile: profile, log: l, queue: newQueue()}
	for _, b := range before {
		if b.Host != r.Host {
			continue
		}
		if b.SyslogRemote == r && b.profile == profile {
			return b
		}
		s.queue = b.queue
	}
	return s
}

// next removes the oldest message, which has been sent.
func (s *server) next() {
	if lost := s.queue.sent(); lost > 0 {
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "log messages are lost, the syslog server was away or slow", 0)
		r.AddAttrs(slog.Int("count", lost))
		settings := s.log.settings.Load()
		s.queue.push(settings.form.format(settings.facility, "-", r, nil))
	}
}

// datagrams sends over UDP until ctx ends.
func (s *server) datagrams(ctx context.Context, needs SyslogNeeds) {
	for {
		for text := s.queue.first(); text != nil; text = s.queue.first() {
			s.datagram(ctx, needs, cut(text, largestDatagram))
			s.next()
		}
		select {
		case <-ctx.Done():
			return
		case <-s.queue.some:
		}
	}
}

// datagram sends one from a connected socket of its own: one that stays open and unconnected would take packets from anyone. It drops
// errors: whether a server over UDP is there, nobody knows.
func (s *server) datagram(ctx context.Context, needs SyslogNeeds, text []byte) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := needs.Lookup(ctx, s.Host)
	if err != nil || len(addrs) == 0 {
		return
	}
	if conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrs[0], s.At()))); err == nil {
		conn.Write(text)
		conn.Close()
	}
}

// connections sends over TCP or TLS until ctx ends. A connection is kept while there is nothing to send: that it is lost is known before
// a message is.
func (s *server) connections(ctx context.Context, needs SyslogNeeds) {
	defer needs.Away(s.name(), "")
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := s.dial(ctx, needs)
		if err == nil {
			var worked bool
			if worked, err = s.deliver(ctx, conn, needs); worked {
				pause = firstPause
			}
		}
		if ctx.Err() != nil {
			return
		}
		needs.Away(s.name(), err.Error())
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause - rand.N(pause/4)): // boxes that lose a server together do not return together
		}
	}
}

func (s *server) name() string { return net.JoinHostPort(s.Host, strconv.Itoa(int(s.At()))) }

// dial opens a connection.
func (s *server) dial(ctx context.Context, needs SyslogNeeds) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	addrs, err := needs.Lookup(ctx, s.Host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s has no address", s.Host)
	for _, a := range addrs[:min(len(addrs), 4)] {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, s.At()).String()); err == nil {
			return s.secure(ctx, conn, needs)
		}
	}
	return nil, err
}

// dialer notices within half a minute that the other end is gone, whether something waits to be acknowledged or nothing is sent at all.
var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTime.Milliseconds()))
		})
	},
}

// secure makes the connection one of TLS where that is configured.
func (s *server) secure(ctx context.Context, conn net.Conn, needs SyslogNeeds) (net.Conn, error) {
	if s.Transport != "tls" {
		return conn, nil
	}
	if s.profile == nil {
		conn.Close()
		return nil, errors.New("syslog-client has no profile tls")
	}
	settings, err := needs.TLS(s.profile, s.Host)
	if err != nil {
		conn.Close()
		return nil, err
	}
	secured := tls.Client(conn, settings)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// deliver sends over a connection until it breaks, which is the error, or ctx ends. It reports whether the connection worked for a while.
func (s *server) deliver(ctx context.Context, conn net.Conn, needs SyslogNeeds) (worked bool, err error) {
	broken := make(chan error, 1)
	go func() { // a server has nothing to say: this hears of the end, and of an alert of TLS
		_, err := io.Copy(io.Discard, conn)
		if err == nil {
			err = errClosed
		}
		conn.Close()
		broken <- err
	}()
	hurry := context.AfterFunc(ctx, func() { conn.SetWriteDeadline(time.Now().Add(lastWords)) })
	defer func() {
		hurry()
		select {
		case heard := <-broken:
			if err != nil {
				err = heard // says more than the failed write
			}
		default:
			conn.Close()
			<-broken
		}
	}()
	works := time.After(steady)
	for {
		if err := s.write(ctx, conn); err != nil {
			return worked, err
		}
		select {
		case <-ctx.Done():
			return worked, s.write(ctx, conn)
		case err := <-broken:
			broken <- err
			return worked, err
		case <-works:
			worked = true
			needs.Away(s.name(), "")
		case <-s.queue.some:
		}
	}
}

var errClosed = errors.New("the server has closed the connection")

// write sends what waits, each message with its length in front (RFC 6587, 3.4.1). One that is not sent whole is sent again over the next
// connection: its first half ended with this one.
func (s *server) write(ctx context.Context, conn net.Conn) error {
	for text := s.queue.first(); text != nil; text = s.queue.first() {
		conn.SetWriteDeadline(time.Now().Add(writeTime))
		if ctx.Err() != nil {
			conn.SetWriteDeadline(time.Now().Add(lastWords))
		}
		if _, err := conn.Write(append(fmt.Appendf(nil, "%d ", len(text)), text...)); err != nil {
			return err
		}
		s.next()
	}
	return nil
}
