package machine

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/console/client"
)

// sbcd plays sbcd's part of the socket.
type sbcd struct {
	mu     sync.Mutex
	tokens int           // that were asked about
	got    *http.Request // the last other request
	body   string
	hold   chan struct{} // not nil: other requests wait for its end
	come   chan struct{} // one for each that waits
}

const (
	reads      = "a-token-that-reads-1"
	configures = "a-token-that-writes1"
)

// start returns a handler in front of it.
func start(t *testing.T) (*sbcd, *Handler) {
	s := &sbcd{come: make(chan struct{}, 2*most)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathWebToken, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.tokens++
		s.mu.Unlock()
		var q wire.TokenRequest
		json.NewDecoder(r.Body).Decode(&q)
		known := map[string]wire.TokenReply{reads: {OK: true, User: "w", Name: "nms", Scope: "read"}, configures: {OK: true, User: "root", Name: "deploy", Scope: "configure"},
			"banned-" + reads: {Banned: 90 * time.Second}}
		json.NewEncoder(w).Encode(known[q.Token])
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got, s.body = r.Clone(context.Background()), string(body)
		hold := s.hold
		s.mu.Unlock()
		if hold != nil {
			s.come <- struct{}{}
			<-hold
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"7"`)
		w.Header().Set("X-Inner", "secret")
		io.WriteString(w, "{}\n")
	})
	socket := filepath.Join(t.TempDir(), "sbcd.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return s, New(client.New(socket, 0), slog.New(slog.DiscardHandler))
}

// ask makes a request.
func ask(h *Handler, method, path, token string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, body)
	r.RemoteAddr = "192.0.2.7:50123"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestARequestIsPassedOnForItsAccount(t *testing.T) {
	s, h := start(t)
	w := ask(h, "GET", "/v1/status/records?last=7&number=49%2030", reads, nil, "If-None-Match", `"6"`, "Cookie", "a=b", "X-Forwarded-For", "1.2.3.4")
	if w.Code != 200 || w.Body.String() != "{}\n" || w.Header().Get("Etag") != `"7"` || w.Header().Get("X-Inner") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	q := s.got.URL.Query()
	if s.got.URL.Path != "/v1/status/records" || q.Get("user") != "w" || q.Get("tty") != "api 192.0.2.7" || q.Get("last") != "7" || q.Get("number") != "49 30" {
		t.Errorf("%s", s.got.URL)
	}
	if got := s.got.Header; got.Get("If-None-Match") != `"6"` || got.Get("Authorization") != "" || got.Get("Cookie") != "" || got.Get("X-Forwarded-For") != "" {
		t.Errorf("%v", got)
	}
	ask(h, "GET", "/metrics", reads, nil)
	if s.got.URL.RawQuery != "" {
		t.Errorf("%s", s.got.URL)
	}
}

func TestAScopeNarrowsATokenOfAnyAccount(t *testing.T) {
	s, h := start(t)
	if w := ask(h, "PUT", "/v1/config?dry-run", reads, strings.NewReader("x")); w.Code != 403 || s.got != nil {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(h, "PUT", "/v1/config?dry-run", configures, strings.NewReader("system hostname a\n"), "If-Match", `"7"`); w.Code != 200 || s.body != "system hostname a\n" || s.got.Method != "PUT" ||
		s.got.Header.Get("If-Match") != `"7"` || !s.got.URL.Query().Has("dry-run") {
		t.Errorf("%d %s: %s %s %q", w.Code, w.Body, s.got.Method, s.got.URL, s.body)
	}
	for _, path := range []string{"/v1/config/compare", "/v1/config/help", "/v1/web/sign", "/v1/web/token", "/v1/exec", "/v1/login", "/v1/events", "/v1/settings", "/v1", "/v1/"} {
		s.got = nil
		if w := ask(h, "POST", path, configures, strings.NewReader("{}")); w.Code != 404 || s.got != nil {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestNobodyNamesAnotherAccount(t *testing.T) {
	s, h := start(t)
	for _, path := range []string{"/v1/status?user=root", "/v1/status?user=", "/v1/status/clock?tty=serial", "/v1/status?%75ser=root"} {
		if w := ask(h, "GET", path, reads, nil); w.Code != 400 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if s.got != nil {
		t.Errorf("%s was passed on", s.got.URL)
	}
}

func TestTokens(t *testing.T) {
	s, h := start(t)
	for _, token := range []string{"", strings.Repeat("x", longestToken+1)} {
		if w := ask(h, "GET", "/v1/status", token, nil); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	if s.tokens != 0 {
		t.Error("sbcd was asked about what is no token")
	}
	if w := ask(h, "GET", "/v1/status", "banned-"+reads, nil); w.Code != 429 || w.Header().Get("Retry-After") != "90" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	begun := time.Now()
	if w := ask(h, "GET", "/v1/status", "wrong-"+reads, nil); w.Code != 401 || time.Since(begun) < wrongPause {
		t.Errorf("%d after %s", w.Code, time.Since(begun))
	}
	if s.got != nil {
		t.Errorf("%s was passed on", s.got.URL)
	}
}

func TestRequestsAtOnceHaveABound(t *testing.T) {
	s, h := start(t)
	s.hold = make(chan struct{})
	var all sync.WaitGroup
	for range most {
		all.Go(func() {
			if w := ask(h, "GET", "/v1/health", reads, nil); w.Code != 200 {
				t.Errorf("%d", w.Code)
			}
		})
	}
	for range most {
		<-s.come
	}
	if w := ask(h, "GET", "/v1/health", reads, nil); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more: %d", w.Code)
	}
	close(s.hold)
	all.Wait()
	s.mu.Lock()
	s.hold = nil
	s.mu.Unlock()
	if w := ask(h, "GET", "/v1/health", reads, nil); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestWithoutSbcd(t *testing.T) {
	h := New(client.New(filepath.Join(t.TempDir(), "none"), 0), slog.New(slog.DiscardHandler))
	w := ask(h, "GET", "/v1/health", reads, nil)
	var f wire.Failure
	if json.Unmarshal(w.Body.Bytes(), &f); w.Code != 503 || f.Error == "" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
