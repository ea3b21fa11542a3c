// Package exporter serves the metrics of the box over HTTPS.
//
// It owns the sockets, who may read, and the limits of a request. It does not own the metrics, nor their form, nor the certificate: a
// profile tls has that, and it is read for each handshake, so that a renewal needs nothing here. The firewall decides who reaches the port.
//
// Goroutines: one a socket, for which Run waits, and net/http's one a connection, of which there are maxConnections at most. They end with
// their connections, which Run closes.
package exporter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/places"
)

// Options configure an Exporter.
type Options struct {
	Log      *slog.Logger
	Health   *health.Tracker
	PKI      pki.Store
	Write    func(io.Writer) error // the metrics
	Settings func() *Settings      // in force; nil: nothing listens. It is asked every second
}

// Settings are what the configuration asks for.
type Settings struct {
	config.Metrics
	Profile *config.TLSProfile
	Local   []netip.Addr // addresses of the box to listen on
}

const (
	lookEvery      = time.Second
	textLives      = time.Second // the engines are not asked more often, whoever reads
	maxConnections = 32
	maxOfSource    = 8                     // of them, so that one source does not shut the others out
	acceptEvery    = 20 * time.Millisecond // at the soonest: a handshake costs a signature
	refusedEvery   = time.Minute           // a line of the log about refusals
	requestTime    = 10 * time.Second
)

// Exporter serves the metrics. New makes one.
type Exporter struct {
	o       Options
	now     atomic.Pointer[Settings]
	open    map[netip.AddrPort]*listener
	places  places.Book
	serving sync.WaitGroup

	mu      sync.Mutex // what follows
	text    []byte
	written time.Time
	told    time.Time // of a refusal
}

// listener is one socket with its server.
type listener struct {
	http   *http.Server
	served atomic.Bool // it has ended
}

// close lets answers that have begun end, for a second.
func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.http.Shutdown(ctx) != nil {
		l.http.Close()
	}
}

// New returns an Exporter that does nothing before Run.
func New(o Options) *Exporter {
	return &Exporter{o: o, open: map[netip.AddrPort]*listener{}, places: places.Book{All: maxConnections, OfSource: maxOfSource, Every: acceptEvery}}
}

// Run serves until ctx ends.
func (e *Exporter) Run(ctx context.Context) error {
	defer e.serving.Wait()
	defer e.follow(nil)
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		e.follow(e.o.Settings())
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// follow opens what the settings ask for, and closes the rest. Whoever was let in by other settings has to prove himself anew.
func (e *Exporter) follow(s *Settings) {
	before := e.now.Swap(s)
	anew := s == nil || before == nil || s.Token != before.Token || s.Profile.AuthIncoming != before.Profile.AuthIncoming || !slices.Equal(s.Profile.Trusted, before.Profile.Trusted) ||
		!slices.Equal(s.Access, before.Access)
	wanted := map[netip.AddrPort]bool{}
	if s != nil {
		for _, a := range s.Local {
			wanted[netip.AddrPortFrom(a, s.Port)] = true
		}
	}
	for at, l := range e.open {
		if anew || !wanted[at] || l.served.Load() {
			l.close()
			delete(e.open, at)
		}
	}
	var refused []health.Args
	for at := range wanted {
		if e.open[at] == nil {
			if err := e.listen(at); err != nil {
				refused = append(refused, health.Args{"address": at.String(), "why": err.Error()})
			}
		}
	}
	if s != nil && len(wanted) > 0 {
		if _, err := pki.ServerConfig(s.Profile, e.o.PKI); err != nil {
			refused = []health.Args{{"address": "every address", "why": err.Error()}}
		}
	}
	e.o.Health.Replace(health.MetricsRefused, refused)
}

func (e *Exporter) listen(at netip.AddrPort) error {
	socket, err := net.Listen("tcp", at.String())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", e.serve)
	l := &listener{http: &http.Server{
		Handler: e.admitted(mux), ReadHeaderTimeout: requestTime, ReadTimeout: requestTime, WriteTimeout: requestTime, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 8 << 10,
		DisableGeneralOptionsHandler: true, // OPTIONS * is no exception
		ErrorLog:                     slog.NewLogLogger(e.o.Log.Handler(), slog.LevelDebug),
		TLSNextProto:                 map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 alone: less that strangers can do
	}}
	e.open[at] = l
	secured := tls.NewListener(places.Limit(socket, &e.places), &tls.Config{GetConfigForClient: e.present})
	e.serving.Go(func() {
		l.http.Serve(secured)
		l.served.Store(true)
	})
	return nil
}

var errNotNow = errors.New("the metrics are not served at the moment")

// present is the TLS of a handshake.
func (e *Exporter) present(*tls.ClientHelloInfo) (*tls.Config, error) {
	s := e.now.Load()
	if s == nil {
		return nil, errNotNow
	}
	return pki.ServerConfig(s.Profile, e.o.PKI)
}

// admitted lets requests through that may be made. Whoever may not loses his connection, whatever he asks for: it would keep its place for
// minutes, and strangers could take all of them.
func (e *Exporter) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := e.now.Load().refuses(r); why != "" {
			e.refused(r.RemoteAddr, why)
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.Header().Set("Connection", "close")
			http.Error(w, why, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve answers a request that may be made.
func (e *Exporter) serve(w http.ResponseWriter, _ *http.Request) {
	text, err := e.metrics()
	if err != nil {
		http.Error(w, "the metrics cannot be read at the moment", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(text)
}

// refuses says why a request is not answered; "": it is. The certificate was verified in the handshake.
func (s *Settings) refuses(r *http.Request) string {
	if s == nil {
		return errNotNow.Error()
	}
	if s.Token == "" {
		if !s.Profile.AuthIncoming || r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return "a certificate is needed"
		}
		return ""
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	// Of equal length, so that the time tells nothing.
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Token))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !bearer {
		return "the token is missing or wrong"
	}
	return ""
}

// refused tells the administrator, now and then.
func (e *Exporter) refused(source, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); e.told.IsZero() || now.Sub(e.told) >= refusedEvery {
		e.told = now
		e.o.Log.Warn("metrics request refused", "source", source, "err", why)
	}
}

// metrics returns the text, not older than textLives.
func (e *Exporter) metrics() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.text == nil || time.Since(e.written) >= textLives {
		var b bytes.Buffer
		if err := e.o.Write(&b); err != nil {
			return nil, fmt.Errorf("write metrics: %w", err)
		}
		e.text, e.written = b.Bytes(), time.Now()
	}
	return e.text, nil
}
