// Package machine is the box for machines: what scripts and collectors read and change over HTTPS.
//
// It owns which requests there are, that each shows a token, what the token's scope allows, and their limits. It does not own tokens, nor what is
// asked for: sbcd says whose a token is, and answers in the name of that account. It knows no sessions and no cookies. It has no goroutines.
package machine

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/config"
	"viaduct/appliance/console/client"
	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

// Route is a request that machines may make.
type Route struct {
	Method, Path string
	Scope        config.TokenScope // that it needs at least
	account      bool              // sbcd answers it by account
}

// Routes are all of them.
var Routes = []Route{
	{http.MethodGet, wire.PathStatus, config.TokenReads, true},
	{http.MethodGet, wire.PathStatus + "/{part}", config.TokenReads, true},
	{http.MethodGet, wire.PathConfig, config.TokenReads, true},
	{http.MethodPut, wire.PathConfig, config.TokenConfigures, true},
	{http.MethodGet, wire.PathConfigHistory, config.TokenReads, true},
	{http.MethodGet, wire.PathHealth, config.TokenReads, false},
	{http.MethodGet, wire.PathMetrics, config.TokenReads, false},
}

const (
	most         = 16 // requests at once
	bodyTime     = 30 * time.Second
	answerTime   = 60 * time.Second
	wrongPause   = time.Second // as after a wrong password
	longestToken = 512
)

// Handler answers machines. New makes one.
type Handler struct {
	client *client.Client
	log    *slog.Logger
	places chan struct{}
	mux    *http.ServeMux
}

// New returns a Handler for all paths that Is names.
func New(c *client.Client, log *slog.Logger) *Handler {
	h := &Handler{client: c, log: log, places: make(chan struct{}, most), mux: http.NewServeMux()}
	allowed := map[string][]string{}
	for _, r := range Routes {
		h.mux.HandleFunc(r.Method+" "+r.Path, func(w http.ResponseWriter, q *http.Request) { h.serve(w, q, r) })
		allowed[r.Path] = append(allowed[r.Path], r.Method)
	}
	for path, methods := range allowed {
		h.mux.HandleFunc(path, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			fail(w, http.StatusMethodNotAllowed, "this path takes "+strings.Join(methods, ", ")+" only")
		})
	}
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is no such path: docs/openapi.json lists them")
	})
	return h
}

// Is reports whether a request is one for machines.
func Is(r *http.Request) bool {
	return r.URL.Path == wire.PathMetrics || strings.HasPrefix(r.URL.Path, "/v1/") || r.URL.Path == "/v1"
}

// actor is who makes a request.
type actor struct {
	wire.TokenReply
	tty string
}

type actorKey struct{}

// ServeHTTP finds out for whom a request is made before it looks at anything else.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, "too many requests at the moment")
		return
	}
	connection := http.NewResponseController(w)
	if r.ContentLength != 0 {
		connection.SetReadDeadline(time.Now().Add(bodyTime)) // without a body, its end would be that of a slow answer over HTTP/1.1
	}
	connection.SetWriteDeadline(time.Now().Add(answerTime))
	if a, ok := h.admit(w, r); ok {
		h.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), actorKey{}, a)))
	}
}

// admit checks the token; false: it has answered.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) (actor, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" || len(token) > longestToken {
		w.Header().Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "a token is needed: Authorization: Bearer TOKEN")
		return actor{}, false
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		fail(w, http.StatusForbidden, "the request comes from nowhere")
		return actor{}, false
	}
	source := from.Addr().Unmap()
	known, err := h.client.Token(r.Context(), wire.TokenRequest{Token: token, Source: source.String()})
	switch {
	case err != nil:
		h.broken(w, err)
	case known.OK:
		return actor{known, "api " + source.String()}, true
	case known.Banned > 0:
		seconds := int((known.Banned + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		fail(w, http.StatusTooManyRequests, "too many wrong passwords or tokens: try again in "+plural.Of(seconds, "second"))
	default:
		select {
		case <-r.Context().Done():
		case <-time.After(wrongPause):
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		fail(w, http.StatusUnauthorized, "the token is wrong")
	}
	return actor{}, false
}

// passed are the headers of requests and answers that are passed on.
var (
	passed   = []string{"Content-Type", "If-Match", "If-None-Match", "Accept"}
	returned = []string{"Content-Type", "Etag", "Retry-After", "Allow"}
)

// serve passes a request on to sbcd.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, route Route) {
	a := r.Context().Value(actorKey{}).(actor)
	if route.Scope == config.TokenConfigures && a.Scope != string(config.TokenConfigures) {
		fail(w, http.StatusForbidden, "the token may read only")
		return
	}
	query := r.URL.Query()
	if query.Has("user") || query.Has("tty") { // which sbcd believes
		fail(w, http.StatusBadRequest, "the token says for whom the request is made: leave out user and tty")
		return
	}
	if route.account {
		query.Set("user", a.User)
		query.Set("tty", a.tty)
	}
	var body io.Reader
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		body = http.MaxBytesReader(w, r.Body, wire.MaxRequest)
	}
	to := *r.URL
	to.RawQuery = query.Encode()
	answer, err := h.client.Pass(r.Context(), r.Method, to, only(r.Header, passed), body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, "the request is too large")
		return
	case err != nil:
		h.broken(w, err)
		return
	}
	defer answer.Body.Close()
	for name, values := range only(answer.Header, returned) {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	io.Copy(w, answer.Body) // an error is a closed connection: nobody is left to tell
}

// only are the headers of some names.
func only(h http.Header, names []string) http.Header {
	some := http.Header{}
	for _, n := range names {
		if v := h.Values(n); len(v) > 0 {
			some[n] = v
		}
	}
	return some
}

// broken answers when sbcd does not.
func (h *Handler) broken(w http.ResponseWriter, err error) {
	var down *client.Down
	if !errors.As(err, &down) && !errors.Is(err, context.Canceled) {
		h.log.Warn("request of a machine not answered", "err", err)
	}
	w.Header().Set("Retry-After", "5")
	fail(w, http.StatusServiceUnavailable, "the box does not answer at the moment")
}

// fail answers with a reason.
func fail(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	text, _ := json.Marshal(wire.Failure{Error: why}) // a string is always written
	w.Write(append(printable.JSON(text), '\n'))
}
