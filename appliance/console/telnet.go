package console

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"viaduct/appliance/console/edit"
	"viaduct/appliance/console/session"
)

// telnetServer is the console over Telnet (RFC 854), while the configuration asks for it: the network can read along. As over SSH,
// accounts without a password are refused, and wrong passwords ban their source.
type telnetServer struct {
	*console
	lobby lobby
	port  uint16 // that is served
	end   func() // ends that
}

func newTelnetServer(c *console) *telnetServer {
	return &telnetServer{console: c, lobby: lobby{log: c.Log, name: "telnet", room: maxTelnet, each: maxTelnetOf}}
}

// How many connections without a login there may be, and how many of one source.
const (
	maxTelnet   = 8
	maxTelnetOf = 4
)

// apply serves the port that the configuration names now; 0 is none. It is called from one goroutine.
func (s *telnetServer) apply(ctx context.Context, port uint16) {
	if port == s.port {
		return
	}
	s.close()
	if port == 0 {
		return
	}
	end, err := s.listen(ctx, port)
	if err != nil {
		s.Log.Warn("telnet not served", "err", err)
		return
	}
	s.end, s.port = end, port
}

// close ends serving.
func (s *telnetServer) close() {
	if s.end != nil {
		s.end()
	}
	s.end, s.port = nil, 0
}

// listen serves a port until end is called, which waits until all connections have ended.
func (s *telnetServer) listen(ctx context.Context, port uint16) (end func(), err error) {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, err
	}
	s.Log.Warn("telnet listens: passwords can be read on the way", "name", l.Addr().String())
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		err := s.lobby.accept(ctx, l, &all, func(c net.Conn, from netip.Addr) { s.connection(ctx, c, from) })
		if ctx.Err() == nil {
			s.Log.Error("telnet not served", "err", err)
		}
	})
	return func() {
		cancel()
		l.Close()
		all.Wait()
	}, nil
}

// connection serves one connection: a login and its session.
func (s *telnetServer) connection(ctx context.Context, conn net.Conn, from netip.Addr) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := conn.Write([]byte{iac, will, optEcho, iac, will, optSGA, iac, do, optNAWS}); err != nil {
		return
	}
	scr := edit.NewScreen(telnetWriter{whole{conn}})
	in := &telnetReader{from: conn, size: scr.Resize}
	var reader sync.WaitGroup
	reader.Go(func() { scr.Keys.Pump(ctx, in) })
	defer reader.Wait()
	defer conn.Close()
	if left := s.client.Banned(ctx, from); left > 0 {
		scr.Println("% " + shutOut(left))
		return
	}
	late := time.AfterFunc(loginTime, func() { conn.Close() })
	tty := "telnet " + conn.RemoteAddr().String()
	who, err := s.login(ctx, scr, door{tty: tty, source: from.String(), talks: func() { s.lobby.talks(conn) }})
	late.Stop()
	if err != nil || !s.lobby.login(conn, who.User) {
		return
	}
	s.Log.Info("telnet login", "peer", conn.RemoteAddr().String(), "name", who.User)
	scr.Keys.Idle = who.Idle
	if err := s.newSession(scr, who.User, tty).Run(ctx); !session.Hangup(err) {
		s.Log.Debug("telnet session ended", "peer", tty, "err", err)
	}
}

// Telnet's bytes (RFC 854, 857, 858, 1073).
const (
	iac     = 255
	dont    = 254
	do      = 253
	wont    = 252
	will    = 251
	sb      = 250
	se      = 240
	optEcho = 1
	optSGA  = 3
	optNAWS = 31
)

// telnetReader removes the commands from a client's octets.
type telnetReader struct {
	from  io.Reader
	size  func(width, height int)
	state func(r *telnetReader, b byte) bool // true: b is text
	sub   []byte                             // of a subnegotiation
	cr    bool
}

func (r *telnetReader) Read(p []byte) (int, error) {
	for {
		n, err := r.from.Read(p)
		kept := 0
		for _, b := range p[:n] {
			if r.isText(b) {
				p[kept] = b
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// isText takes the next octet, and reports whether it is text.
func (r *telnetReader) isText(b byte) bool {
	if r.state != nil {
		return r.state(r, b)
	}
	after := r.cr
	r.cr = b == '\r'
	switch {
	case b == iac:
		r.state = (*telnetReader).command
		return false
	case b == 0 && after: // CR NUL is a CR
		return false
	}
	return true
}

func (r *telnetReader) command(b byte) bool {
	switch b {
	case iac:
		r.state = nil
		return true
	case will, wont, do, dont:
		r.state = (*telnetReader).option
	case sb:
		r.state, r.sub = (*telnetReader).inside, r.sub[:0]
	default:
		r.state = nil
	}
	return false
}

func (r *telnetReader) option(byte) bool {
	r.state = nil
	return false
}

func (r *telnetReader) inside(b byte) bool {
	if b == iac {
		r.state = (*telnetReader).insideCommand
	} else {
		r.keep(b)
	}
	return false
}

// keep takes a byte of a subnegotiation, up to the length of one that we asked for.
func (r *telnetReader) keep(b byte) {
	if len(r.sub) < 16 {
		r.sub = append(r.sub, b)
	}
}

func (r *telnetReader) insideCommand(b byte) bool {
	if b == iac {
		r.state = (*telnetReader).inside
		r.keep(b)
		return false
	}
	r.state = nil
	if b == se && len(r.sub) == 5 && r.sub[0] == optNAWS {
		r.size(int(r.sub[1])<<8|int(r.sub[2]), int(r.sub[3])<<8|int(r.sub[4]))
	}
	return false
}

// telnetWriter doubles the byte that begins a command. The screen writes UTF-8, which has no such byte; a width does.
type telnetWriter struct{ w io.Writer }

func (w telnetWriter) Write(p []byte) (int, error) {
	from := 0
	for i, b := range p {
		if b == iac {
			if _, err := w.w.Write(p[from : i+1]); err != nil {
				return from, err
			}
			from = i
		}
	}
	_, err := w.w.Write(p[from:])
	return len(p), err
}
