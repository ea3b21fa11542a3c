package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
)

const (
	testTenant = "contoso.onmicrosoft.com"
	testApp    = "11111111-2222-3333-4444-555555555555"
	testSecret = "s3cr3t~value"
	tokenPath  = "/" + testTenant + "/oauth2/v2.0/token"
)

// office is Microsoft: a sign-in service and Graph.
type office struct {
	mu      sync.Mutex
	signIns []http.Request                                // with their forms
	asked   []string                                      // method, path and query of requests to Graph
	tokens  []string                                      // of requests to Graph
	bodies  []string                                      // of requests to Graph
	life    int                                           // seconds of a token
	roles   []string                                      // in a token
	signIn  func(http.ResponseWriter, *http.Request) bool // has answered in place of the token; nil: never
	graph   http.HandlerFunc
}

func newOffice(graph http.HandlerFunc) *office {
	return &office{life: 3600, roles: []string{readUsers, writePresence}, graph: graph}
}

func (o *office) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.URL.Path == tokenPath {
		_ = q.ParseForm()
		o.mu.Lock()
		o.signIns = append(o.signIns, *q)
		n := len(o.signIns)
		signIn, life, roles := o.signIn, o.life, o.roles
		o.mu.Unlock()
		if signIn == nil || !signIn(w, q) {
			say(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": testToken(n, roles)})
		}
		return
	}
	body, _ := io.ReadAll(q.Body)
	o.mu.Lock()
	o.asked = append(o.asked, q.Method+" "+q.URL.RequestURI())
	o.tokens = append(o.tokens, strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer "))
	o.bodies = append(o.bodies, string(body))
	graph := o.graph
	o.mu.Unlock()
	graph(w, q)
}

func (o *office) signedIn() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.signIns)
}

func (o *office) requests() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.asked)
}

// last is the newest request to Graph: what was asked, and its body.
func (o *office) last() (asked, body string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.asked) == 0 {
		return "", ""
	}
	return o.asked[len(o.asked)-1], o.bodies[len(o.bodies)-1]
}

// testToken is the n-th token, signed by nobody.
func testToken(n int, roles []string) string {
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "RS256"}) + "." + part(map[string]any{"roles": roles, "n": n}) + ".c2ln"
}

func say(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// sayError answers as Graph does.
func sayError(w http.ResponseWriter, status int, code, message string) {
	say(w, status, map[string]any{"error": map[string]any{"code": code, "message": message, "innerError": map[string]string{"request-id": "r"}}})
}

// saySignIn answers as Entra does.
func saySignIn(w http.ResponseWriter, status int, kind string, number int, message string) {
	say(w, status, map[string]any{"error": kind, "error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: t", number, message), "error_codes": []int{number}})
}

// sayPresences answers getPresencesByUserId: everybody is as told.
func sayPresences(availability, activity string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		say(w, http.StatusOK, map[string]any{"value": []any{one("a", availability, activity)}})
	}
}

func one(id, availability, activity string) map[string]any {
	return map[string]any{"id": id, "availability": availability, "activity": activity, "outOfOfficeSettings": map[string]any{"isOutOfOffice": false, "message": nil}}
}

// direct serves requests without a network, so that time can be virtual.
type direct struct{ http.Handler }

func (d direct) RoundTrip(q *http.Request) (*http.Response, error) {
	if q.Body == nil {
		q.Body = http.NoBody
	}
	done := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		d.ServeHTTP(w, q)
		done <- w.Result()
	}()
	select {
	case r := <-done:
		r.Request = q
		return r, nil
	case <-q.Context().Done():
		<-done // a handler must not outlive its test
		return nil, q.Context().Err()
	}
}

func testCredentials() Credentials {
	return Credentials{Tenant: testTenant, Application: testApp, Cloud: config.CloudGlobal, Secret: testSecret}
}

func (o *office) client() *Client { return New(direct{o}, testCredentials()) }

// wantError is err as *Error, of a kind, free of secrets, with a sentence and a cure.
func wantError(t *testing.T, err error, kind Kind) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want *Error", err, err)
	}
	if e.Kind != kind {
		t.Errorf("%v is %s, want %s", e, e.Kind, kind)
	}
	if e.Op == "" || e.Text == "" || e.Cure == "" {
		t.Errorf("%#v lacks what was done, what is wrong, or the cure", e)
	}
	for _, text := range []string{e.Error(), e.Cure} {
		if strings.Contains(text, testSecret) || strings.Contains(text, "eyJ") || strings.Contains(text, "{") {
			t.Errorf("%q shows a secret or is not filled in", text)
		}
	}
	return e
}

// read asks once how everybody is.
func read(t *testing.T, c *Client) error {
	t.Helper()
	_, err := c.Presences(t.Context(), []string{"a"}, nil)
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// linger waits in a handler, as long as somebody waits for the answer.
func linger(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
