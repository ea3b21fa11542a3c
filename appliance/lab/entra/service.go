// Package entra is Microsoft's sign-in service and Microsoft Graph of one cloud, as far as presence needs them, for a lab and for tests.
//
// It is strict on purpose, and shares no code with the box: it verifies the signature of every assertion against the certificates that were
// uploaded, checks what Microsoft documents (times, audience, pairs of states, limits), and refuses in Microsoft's words. Refusals tells, in
// plainer ones, what it did not take. Sessions of applications fade and end as time goes by, and of several the strongest is seen.
//
// It owns tenants, applications, tokens, users and their sessions. It does not own the network: Serve is given a listener, and Transport
// carries requests to it without one, as tests in virtual time want it.
//
// Goroutines: those of net/http, while Serve has a listener. Close waits for them.
package entra

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The names of the global cloud.
const (
	Login = "login.microsoftonline.com"
	Graph = "graph.microsoft.com"
)

// Roles that an administrator can grant.
const (
	UsersRead      = "User.Read.All"
	UsersReadBasic = "User.ReadBasic.All" // neither telephone numbers nor employee ids
	PresenceRead   = "Presence.Read.All"
	PresenceWrite  = "Presence.ReadWrite.All" // and read
)

// Options say which cloud and tenant it is. The zero value is a tenant contoso.onmicrosoft.com of the global cloud.
type Options struct {
	Login, Graph string        // names of the two hosts
	Tenant       string        // id
	Domains      []string      // of the tenant; it may be named by each
	TokenLife    time.Duration // 0: an hour
	// Tell hears each refusal. It is called from several goroutines.
	Tell func(what string)
}

// Service is the sign-in service and Graph. Its methods may be called at any time, from any goroutine.
type Service struct {
	options Options
	root    *x509.Certificate
	server  *http.Server
	served  sync.WaitGroup

	mu           sync.Mutex // protects the following
	applications map[string]*Application
	tokens       map[string]*token
	assertions   map[string]time.Time // ids that were used, and until when they would be good
	users        []*user
	named        map[string]*user // by id and by user principal name, in small letters
	faults       map[string]Fault // by host
	held         time.Time        // until when Graph wants to be left alone
	asked        []time.Time      // requests of presence in the last half minute
	counts       map[string]int
	refusals     []string
	signIn       int // AADSTS code of every sign-in; 0: none
}

// New makes a service with a root of its own.
func New(o Options) (*Service, error) {
	if o.Login == "" {
		o.Login, o.Graph = Login, Graph
	}
	if o.Tenant == "" {
		o.Tenant, o.Domains = "8a0e1b5c-6d2f-4a7b-9c3d-1e5f7a9b2c4d", append(o.Domains, "contoso.onmicrosoft.com")
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	s := &Service{options: o, applications: map[string]*Application{}, tokens: map[string]*token{}, assertions: map[string]time.Time{},
		named: map[string]*user{}, faults: map[string]Fault{}, counts: map[string]int{}}
	conf, root, err := certified(o.Login, o.Graph)
	if err != nil {
		return nil, err
	}
	s.root = root
	s.server = &http.Server{Handler: s, TLSConfig: conf, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(handshakes{s}, "", 0)}
	return s, nil
}

// Root is what clients must trust.
func (s *Service) Root() *x509.Certificate { return s.root }

// Serve answers at a listener until Close. Names other than those of the two hosts are refused in the handshake.
func (s *Service) Serve(l net.Listener) {
	s.served.Go(func() { _ = s.server.ServeTLS(l, "", "") })
}

// Close ends all connections and waits for the goroutines of Serve.
func (s *Service) Close() error {
	err := s.server.Close()
	s.served.Wait()
	return err
}

// handshakes takes what net/http logs: connections that ended before a request.
type handshakes struct{ s *Service }

func (h handshakes) Write(line []byte) (int, error) {
	h.s.note("connection: %s", strings.TrimSpace(string(line)))
	return len(line), nil
}

// Refusals are what was not taken so far, oldest first, with the reason.
func (s *Service) Refusals() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refusals)
}

// Requests is how often an operation was asked for, refused ones included: token, users, presence, getPresencesByUserId, setPresence,
// clearPresence, setUserPreferredPresence, clearUserPreferredPresence.
func (s *Service) Requests(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[operation]
}

func (s *Service) note(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	s.mu.Lock()
	if len(s.refusals) < 10_000 {
		s.refusals = append(s.refusals, what)
	}
	s.mu.Unlock()
	s.options.Tell(what)
}

func (s *Service) count(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[operation]++
}

// ServeHTTP answers as the host that the request names.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := strings.ToLower(r.Host)
	if name, port, err := net.SplitHostPort(host); err == nil && port == "443" {
		host = name
	}
	handle := s.login
	switch host {
	case s.options.Login:
	case s.options.Graph:
		handle = s.graph
	default:
		s.note("%s %s: no such host: %s", r.Method, r.URL.Path, r.Host)
		http.Error(w, "Bad Request - Invalid Hostname", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	fault, faulty := s.faults[host]
	s.mu.Unlock()
	if faulty && s.spoil(w, r, fault) {
		return
	}
	handle(w, r)
}

// Fault is what a host does instead of its work, or before it. The zero value does its work.
type Fault struct {
	Delay      time.Duration // before each answer
	Down       bool          // connections end without an answer
	Status     int           // of each answer, with an error of that kind
	RetryAfter time.Duration // beside Status
	Body, Type string        // in place of an answer, with status 200
	Cut        bool          // in the middle of Body
	Endless    bool          // Body again and again, 16 MiB of it
}

const endless = 16 << 20

// repeated is a text, several times.
type repeated struct {
	text      string
	times, at int
}

func (r *repeated) Read(b []byte) (n int, err error) {
	for n < len(b) && r.times > 0 {
		m := copy(b[n:], r.text[r.at:])
		n += m
		if r.at += m; r.at == len(r.text) {
			r.at, r.times = 0, r.times-1
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Fail makes a host of the service faulty until Heal.
func (s *Service) Fail(host string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[host] = f
}

// Heal ends all faults, and what sign-ins were refused with.
func (s *Service) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.held, s.signIn = map[string]Fault{}, time.Time{}, 0
}

// spoil reports whether it has answered.
func (s *Service) spoil(w http.ResponseWriter, r *http.Request, f Fault) bool {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return true
		}
	}
	switch {
	case f.Down:
		panic(http.ErrAbortHandler)
	case f.Status == http.StatusTooManyRequests:
		s.throttle(w, r, f.RetryAfter)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", seconds(f.RetryAfter))
		}
		s.decline(w, r, &problem{status: f.Status, code: strings.ReplaceAll(http.StatusText(f.Status), " ", ""), text: "The service is not available."})
	case f.Body == "":
		return false
	case f.Cut:
		w.Header().Set("Content-Type", f.Type)
		w.Header().Set("Content-Length", strconv.Itoa(2*len(f.Body)))
		_, _ = w.Write([]byte(f.Body))
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("Content-Type", f.Type)
		body := &repeated{text: f.Body, times: 1}
		if f.Endless {
			body.times = endless / len(f.Body)
		}
		_, _ = io.Copy(w, body)
	}
	return true
}

// seconds writes a time for Retry-After, in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// reply answers in JSON.
func reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // values of this package
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// newID makes a GUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Transport carries requests to the service without a network, TLS or goroutines.
func (s *Service) Transport() http.RoundTripper { return carrier{s} }

type carrier struct{ s *Service }

// errAborted is what a client sees of a connection that ends without an answer.
var errAborted = errors.New("connection reset by peer")

func (c carrier) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.URL.Scheme != "https" {
		return nil, fmt.Errorf("carry a request of %s: TLS only", r.URL.Scheme)
	}
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}}
	aborted := w.serve(c.s, in)
	if err := r.Context().Err(); err != nil {
		return nil, fmt.Errorf("carry a request: %w", context.Cause(r.Context()))
	}
	if aborted && w.code == 0 {
		return nil, errAborted
	}
	return w.response(r, aborted), nil
}
