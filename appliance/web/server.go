// Package web is the web page of the box: consoled serves it over HTTPS.
//
// It owns the listeners and their TLS, for which sbcd signs; which names a browser may ask for; sessions with their cookies and tokens; the login;
// what every answer carries; and the table of pages. It holds no configuration and no state of the box: everything is asked of sbcd over the socket with the
// name of the user, so roles, audit and the language have one owner.
//
// Goroutines: one a listener and net/http's one a connection, bounded; two a session, which follow sbcd's events and see how long nothing was done; those of
// packages live and terminal. Close waits for all but net/http's, which end with their connections.
package web

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
	"viaduct/appliance/console/edit"
	"viaduct/appliance/web/live"
	"viaduct/appliance/web/machine"
	"viaduct/appliance/web/page"
	"viaduct/appliance/web/terminal"
)

// Options make a Server.
type Options struct {
	Client    *client.Client
	Histories *edit.Histories // of the terminals
	Log       *slog.Logger
}

// Server serves the web page while the settings ask for it. New makes one.
type Server struct {
	Options
	site      *page.Site
	machine   *machine.Handler
	hub       *live.Hub
	sessions  sessions
	terminals *terminal.Terminals
	tickets   tickets
	handler   http.Handler
	places    places
	streams   atomic.Int32 // of live
	logins    logins

	now     atomic.Pointer[serving]
	open    map[netip.AddrPort]*listener // of Apply's goroutine
	running sync.WaitGroup
}

// serving is what the settings say, made ready.
type serving struct {
	wire.WebSettings
	certificate *tls.Certificate
}

const (
	headerTime = 10 * time.Second // for the handshake, and for the head of a request
	idleTime   = 90 * time.Second
	maxHeader  = 16 << 10
	maxStreams = 64          // of HTTP/2 on a connection, which strangers may open, too: each is a goroutine and a body
	endTime    = time.Second // for answers that have begun, at the end
)

// New makes a server that listens nowhere before Apply.
func New(o Options) (*Server, error) {
	terminals := &terminal.Terminals{Client: o.Client, Histories: o.Histories, Log: o.Log}
	site, err := page.New(page.Options{Pages: append(slices.Clone(pages), terminals.Page()), Client: o.Client, Log: o.Log})
	if err != nil {
		return nil, err
	}
	s := &Server{Options: o, site: site, terminals: terminals, machine: machine.New(o.Client, o.Log), open: map[netip.AddrPort]*listener{}}
	s.hub = live.New(s.fragment)
	s.sessions.follow = s.attend
	s.handler = s.routes()
	return s, nil
}

// Close ends all sessions and listeners, and waits for them.
func (s *Server) Close() {
	s.Apply(nil)
	s.sessions.endAll()
	s.terminals.Wait()
	s.hub.Close()
	s.running.Wait()
}

// Apply follows the settings; nil is no web page. It is called from one goroutine.
func (s *Server) Apply(now *wire.WebSettings) {
	before := s.now.Load()
	switch {
	case now == nil && before == nil:
		return
	case now == nil:
		s.now.Store(nil)
	case before == nil || !reflect.DeepEqual(*now, before.WebSettings):
		certificate, err := s.certificate(now.Chain)
		if err != nil {
			s.Log.Warn("web page not served", "err", err)
			return
		}
		s.now.Store(&serving{*now, certificate})
		s.site.SetBox(page.Box{Name: now.Name, Zone: now.Zone})
	}
	s.listenTo(s.now.Load())
}

// listener is one socket with its server.
type listener struct {
	http   *http.Server
	ended  atomic.Bool
	secure bool
}

// close lets answers that have begun end, for a moment.
func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if l.http.Shutdown(ctx) != nil {
		l.http.Close()
	}
}

// listenTo opens the sockets that are wanted, and closes the others. One that cannot be opened is tried again at the next time.
func (s *Server) listenTo(now *serving) {
	wanted := map[netip.AddrPort]bool{} // with TLS
	if now != nil {
		for _, a := range now.Addresses {
			if now.Redirect != 0 {
				wanted[netip.AddrPortFrom(a, now.Redirect)] = false
			}
			wanted[netip.AddrPortFrom(a, now.Port)] = true
		}
	}
	for at, l := range s.open {
		if secure, ok := wanted[at]; !ok || secure != l.secure || l.ended.Load() {
			l.close()
			delete(s.open, at)
		}
	}
	for at, secure := range wanted {
		if s.open[at] == nil {
			if err := s.listen(at, secure); err != nil {
				s.Log.Warn("web page not served", "address", at.String(), "err", err)
			}
		}
	}
}

// listen serves a socket.
func (s *Server) listen(at netip.AddrPort, secure bool) error {
	socket, err := net.Listen("tcp", at.String())
	if err != nil {
		return err
	}
	l := &listener{secure: secure, http: &http.Server{
		Handler: http.HandlerFunc(s.redirect), ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, DisableGeneralOptionsHandler: true,
		ConnContext: withPlace, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}}
	var from net.Listener = &limited{socket, &s.places}
	if secure {
		l.http.Handler = s.handler
		l.http.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
		l.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.present}
	} else {
		l.http.ReadTimeout, l.http.WriteTimeout = headerTime, headerTime
	}
	s.open[at] = l
	s.Log.Info("web page listens", "address", at.String())
	s.running.Go(func() {
		if secure {
			l.http.ServeTLS(from, "", "")
		} else {
			l.http.Serve(from)
		}
		l.ended.Store(true)
	})
	return nil
}
