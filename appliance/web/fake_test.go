package web

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
	"viaduct/appliance/status"
)

// sbcd is one that knows three accounts, all with the password "right", and says what a test wants.
type sbcd struct {
	mu       sync.Mutex
	key      crypto.Signer
	gone     map[string]bool // accounts
	stamps   map[string]string
	setup    string           // set-up code; "" is none
	banned   time.Duration    // left, of everybody
	changes  map[string]bool  // accounts that need a password of their own
	sessions []status.Session // more than there are
	asked    []string
	signed   []wire.SignRequest
	down     bool
	check    func(say func(wire.Answer)) // answers "check"; nil: as any other line
}

func (b *sbcd) ask(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, what)
}

// count is how often something was asked.
func (b *sbcd) count(what string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.asked {
		if a == what {
			n++
		}
	}
	return n
}

func (b *sbcd) login(q wire.LoginRequest) wire.LoginReply {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := classes[q.User]
	stamp := "stamp of " + q.User + b.stamps[q.User]
	switch {
	case q.Stamp != "":
		return wire.LoginReply{OK: !b.gone[q.User] && q.Stamp == stamp, Class: classes[q.User], Stamp: stamp}
	case b.banned > 0:
		return wire.LoginReply{Banned: b.banned}
	case q.User == "":
		return wire.LoginReply{Setup: b.setup != ""}
	case q.SetupCode != "" && (b.setup == "" || q.SetupCode != b.setup):
		return wire.LoginReply{}
	case q.SetupCode != "" && q.NewPassword == "":
		return wire.LoginReply{Change: true, User: q.User}
	case q.SetupCode != "":
		return wire.LoginReply{OK: true, User: q.User, Class: "superuser"}
	case !known || b.gone[q.User] || q.Password != "right":
		return wire.LoginReply{}
	case b.changes[q.User] && q.NewPassword == "":
		return wire.LoginReply{Change: true, User: q.User}
	case b.changes[q.User] && len(q.NewPassword) < 8:
		return wire.LoginReply{Change: true, User: q.User, Banner: "the new password is too short"}
	}
	return wire.LoginReply{OK: true, User: q.User, Class: classes[q.User], Idle: 30 * time.Minute, Stamp: stamp}
}

var classes = map[string]string{"viewer": "operator", "technician": "administrator", "admin": "superuser"}

func (b *sbcd) handler() http.Handler {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }
	mux.HandleFunc("POST "+wire.PathLogin, func(w http.ResponseWriter, r *http.Request) {
		var q wire.LoginRequest
		json.NewDecoder(r.Body).Decode(&q)
		if q.Stamp == "" {
			b.ask("login " + q.User + " from " + q.Source)
		}
		reply(w, b.login(q))
	})
	mux.HandleFunc("GET "+wire.PathEvents, func(w http.ResponseWriter, r *http.Request) {
		b.ask("events " + r.FormValue("user") + " " + r.FormValue("tty"))
		http.NewResponseController(w).Flush()
		for r.Context().Err() == nil && !b.isGone(r.FormValue("user")) {
			time.Sleep(10 * time.Millisecond)
		}
	})
	mux.HandleFunc("POST "+wire.PathExec, func(w http.ResponseWriter, r *http.Request) {
		var q wire.ExecRequest
		json.NewDecoder(r.Body).Decode(&q)
		for _, line := range append(q.Lines, q.Line) {
			b.ask("exec " + q.User + ": " + line)
		}
		if b.check != nil && strings.HasPrefix(q.Line, "check ") {
			b.check(func(a wire.Answer) {
				reply(w, a)
				http.NewResponseController(w).Flush()
			})
			return
		}
		for range max(1, len(q.Lines)) {
			reply(w, wire.Answer{Done: true, Status: wire.OK, Exit: b.isGone(q.User)})
		}
	})
	mux.HandleFunc("GET "+wire.PathStatus+"/{part}", func(w http.ResponseWriter, r *http.Request) {
		b.ask("status " + r.PathValue("part"))
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case b.down:
			w.WriteHeader(http.StatusServiceUnavailable)
			reply(w, wire.Failure{Error: "the medium does not answer"})
		case r.PathValue("part") == "sessions":
			reply(w, b.sessions)
		case r.PathValue("part") == "alarms":
			w.Write([]byte("[]"))
		default:
			w.WriteHeader(http.StatusNotFound)
			reply(w, wire.Failure{Error: "there is no such part"})
		}
	})
	mux.HandleFunc("POST "+wire.PathWebSign, func(w http.ResponseWriter, r *http.Request) {
		var q wire.SignRequest
		json.NewDecoder(r.Body).Decode(&q)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.signed = append(b.signed, q)
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			if h.String() == q.Hash {
				d := h.New()
				d.Write(q.Message)
				var o crypto.SignerOpts = h
				if q.PSS {
					o = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
				}
				signature, _ := b.key.Sign(rand.Reader, d.Sum(nil), o)
				reply(w, wire.SignReply{Signature: signature})
			}
		}
	})
	return mux
}

func (b *sbcd) isGone(user string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gone[user]
}

// rig is a server with its sbcd.
type rig struct {
	t testing.TB
	*Server
	sbcd *sbcd
	host string
}

// newRig makes a server for the host 192.0.2.1; no socket of the network is open.
func newRig(t testing.TB) *rig {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newRigWith(t, key, wire.WebSettings{Port: 443, Hosts: []string{"box.example", "box", "*.star.example"}, Name: "box", OwnCertificate: true})
}

func newRigWith(t testing.TB, key crypto.Signer, settings wire.WebSettings) *rig {
	t.Helper()
	b := &sbcd{key: key, gone: map[string]bool{}, stamps: map[string]string{}, changes: map[string]bool{}}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: b.handler()}
	go h.Serve(l)
	s, err := New(Options{Client: client.New(socket, time.Second), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		h.Close()
	})
	settings.Chain = [][]byte{selfSigned(t, key)}
	s.Apply(&settings)
	if len(settings.Addresses) == 0 { // as if it listened there
		settings.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
		now := *s.now.Load()
		now.WebSettings = settings
		s.now.Store(&now)
	}
	return &rig{t: t, Server: s, sbcd: b, host: "192.0.2.1"}
}

func selfSigned(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"box.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// request is one of a browser, which says where its page comes from.
func (r *rig) request(method, path string, form url.Values) *http.Request {
	q := httptest.NewRequest(method, "https://"+r.host+path, strings.NewReader(form.Encode()))
	q.Header.Set("Accept", "text/html")
	q.RemoteAddr = "192.0.2.7:50000"
	if method != http.MethodGet {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Origin", "https://"+r.host)
		q.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return q
}

// do is the answer to a request.
func (r *rig) do(q *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	return w
}

// in is a login: the cookie, and the token.
func (r *rig) in(user string) (cookie *http.Cookie, token string) {
	r.t.Helper()
	w := r.do(r.request("POST", "/login", url.Values{"user": {user}, "password": {"right"}}))
	if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) != 1 {
		r.t.Fatalf("login: %d %s", w.Code, w.Body)
	}
	cookie = w.Result().Cookies()[0]
	return cookie, r.sessions.find(cookie.Value).token
}

// with adds a session to a request.
func with(q *http.Request, cookie *http.Cookie) *http.Request {
	q.AddCookie(cookie)
	return q
}

// eventually waits for something.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in two minutes: %s", what)
		}
	}
}
