package transfer

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestAFileIsFetchedWholeOrNotAtAll(t *testing.T) {
	large := bytes.Repeat([]byte{'x'}, most+1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/good":
			io.WriteString(w, "system hostname sbc\n")
		case "/most":
			w.Write(large[:most])
		case "/more":
			w.Write(large)
		case "/short":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	for path, x := range map[string]struct {
		size int
		err  string // in it; "": there is none
	}{
		"/good":  {20, ""},
		"/most":  {most, ""},
		"/more":  {0, "more than 4194304 bytes"},
		"/short": {0, "unexpected EOF"},
		"/none":  {0, "404"},
	} {
		text, err := Fetch(t.Context(), server.Client(), server.URL+path)
		switch {
		case x.err == "" && (err != nil || len(text) != x.size):
			t.Errorf("%s: %d octets, %v", path, len(text), err)
		case x.err != "" && (err == nil || !strings.Contains(err.Error(), x.err)):
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAFileIsSent(t *testing.T) {
	var got, kind string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, kind = r.Method+" "+string(text), r.Header.Get("Content-Type")
		if r.URL.Path == "/full" {
			w.WriteHeader(http.StatusInsufficientStorage)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	if err := Send(t.Context(), server.Client(), server.URL+"/new", []byte("system hostname sbc\n")); err != nil || got != "PUT system hostname sbc\n" || kind != "text/plain; charset=utf-8" {
		t.Errorf("%q of %q: %v", got, kind, err)
	}
	if err := Send(t.Context(), server.Client(), server.URL+"/full", []byte("x")); err == nil || !strings.Contains(err.Error(), "507") {
		t.Errorf("a server that is full: %v", err)
	}
}

// Passwords do not leave TLS because a server says so.
func TestRedirectsThatAreFollowed(t *testing.T) {
	request := func(at string) *http.Request {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Request{URL: u}
	}
	for _, x := range []struct {
		from, to string
		before   int
		want     bool
	}{
		{"https://a/x", "https://b/x", 1, true},
		{"http://a/x", "http://b/x", 1, true},
		{"http://a/x", "https://a/x", 1, true},
		{"https://a/x", "http://a/x", 1, false},
		{"https://a/x", "https://a/y", 9, true},
		{"https://a/x", "https://a/y", 10, false},
	} {
		via := make([]*http.Request, x.before)
		for n := range via {
			via[n] = request(x.from)
		}
		if err := StayPrivate(request(x.to), via); (err == nil) != x.want {
			t.Errorf("%s to %s after %d: %v", x.from, x.to, x.before, err)
		}
	}
}
