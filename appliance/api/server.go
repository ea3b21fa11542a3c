// Package api serves the box over HTTP on a unix socket: the console, scripts and the web page speak it.
//
// It owns the socket, the check of who is at the other end (mode 0600 and SO_PEERCRED), the limits of a request and the
// streaming of answers. It does not own the language or the box: they stand behind Backend. Goroutines: net/http's one a
// connection, and one for each exec request, which ends with the request (see stream.go).
package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"viaduct/appliance/api/wire"
)

// Options of a server.
type Options struct {
	Socket string       // path of the unix socket
	UID    int          // user of consoled after it has dropped privileges; 0 when it runs as we do. Root and we are always let in
	Log    *slog.Logger // nil logs nowhere
}

// Server answers on one unix socket.
type Server struct {
	http     *http.Server
	socket   net.Listener
	unfollow context.CancelFunc // ends the followers of events
	grace    time.Duration      // for requests that run at the end
}

// Listen opens the socket; requests wait in its queue until Run.
func Listen(o Options, b Backend) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l, err := listen(o)
	if err != nil {
		return nil, err
	}
	closing, unfollow := context.WithCancel(context.Background())
	h := handler{backend: b, log: o.Log, closing: closing, texts: make(chan struct{}, mostTexts)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathExec, h.exec)
	mux.HandleFunc("PUT "+wire.PathExec, h.execWithFile)
	mux.HandleFunc("POST "+wire.PathHelp, h.help)
	mux.HandleFunc("POST "+wire.PathLogin, h.login)
	mux.HandleFunc("GET "+wire.PathEvents, h.events)
	mux.HandleFunc("GET "+wire.PathSettings, h.settings)
	mux.HandleFunc("POST "+wire.PathWebSign, h.sign)
	mux.HandleFunc("POST "+wire.PathWebToken, h.token)
	mux.HandleFunc("GET "+wire.PathHealth, h.health)
	mux.HandleFunc("GET "+wire.PathMetrics, h.metrics)
	mux.HandleFunc("GET "+wire.PathConfig, h.config)
	mux.HandleFunc("PUT "+wire.PathConfig, h.putConfig)
	mux.HandleFunc("GET "+wire.PathConfigHistory, h.configHistory)
	mux.HandleFunc("POST "+wire.PathConfigCompare, h.compareConfigs)
	mux.HandleFunc("POST "+wire.PathConfigHelp, h.configHelp)
	mux.HandleFunc("GET "+wire.PathStatus, h.status)
	mux.HandleFunc("GET "+wire.PathStatus+"/{part}", h.status)
	return &Server{socket: l, unfollow: unfollow, grace: time.Second, http: &http.Server{
		Handler:           versioned(mux),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       10 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}}, nil
}

// versioned tells our version with every answer, refusals too.
func versioned(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.VersionHeader, strconv.Itoa(wire.Version))
		h.ServeHTTP(w, r)
	})
}

// Run serves until the context ends; then it gives running requests a second to finish and removes the socket.
func (s *Server) Run(ctx context.Context) error {
	base, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.socket) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	s.unfollow()
	grace, cancel := context.WithTimeout(base, s.grace)
	defer cancel()
	err := s.http.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		stop() // long commands
		err = s.http.Close()
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}
