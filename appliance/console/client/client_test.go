package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
)

// serve is sbcd at a socket.
func serve(t *testing.T, socket string, handler http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	s.Start()
	t.Cleanup(s.Close)
}

func socketOf(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }

func ignore(wire.Answer) error { return nil }

// What was not sent may be tried again, and what may have been run must not: the errors tell them apart.
func TestWhatBecameOfARequest(t *testing.T) {
	abort := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, text)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc // nil: nobody listens
		lines   int
		want    error
		says    string
	}{
		"nobody listens":    {nil, 1, &Down{}, "sbcd does not answer: it does not run"},
		"it is done":        {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"done":true}{"done":true}`) }, 2, nil, ""},
		"one is missing":    {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"done":true}`) }, 2, ErrBroken, "sbcd ended before the line was done"},
		"it ends at once":   {abort(""), 1, ErrBroken, "sbcd ended"},
		"it ends in a text": {abort(`{"text":"a"}`), 1, ErrBroken, "sbcd ended"},
		"an answer is none": {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `<html>`) }, 1, ErrBroken, "sbcd ended"},
		"it is refused": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(wire.Failure{Error: "not you"})
		}, 1, &Refused{}, "sbcd refused the request: not you"},
		"it is refused without a word": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 1, &Refused{}, "sbcd refused the request: 502 Bad Gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := socketOf(t)
			if c.handler != nil {
				serve(t, socket, c.handler)
			}
			err := New(socket, 0).Exec(t.Context(), wire.ExecRequest{Lines: make([]string, c.lines)}, ignore)
			var down *Down
			var refused *Refused
			switch want := c.want.(type) {
			case nil:
				if err != nil {
					t.Error(err)
				}
				return
			case *Down:
				if !errors.As(err, &down) || errors.Is(err, ErrBroken) {
					t.Errorf("%v: it may be tried again", err)
				}
			case *Refused:
				if !errors.As(err, &refused) {
					t.Errorf("%v (%T)", err, err)
				}
			default:
				if !errors.Is(err, want) || errors.As(err, &down) {
					t.Errorf("%v: it may have been run", err)
				}
			}
			if !strings.HasPrefix(err.Error(), c.says) {
				t.Errorf("%q, want %q", err, c.says)
			}
		})
	}
}

// A request waits while sbcd starts again, and is sent once.
func TestARequestWaitsForSbcd(t *testing.T) {
	socket := socketOf(t)
	c := New(socket, time.Minute)
	if !c.Starting() {
		t.Error("it has answered already")
	}
	asked := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		var r wire.LoginReply
		done <- c.call(t.Context(), wire.PathLogin, wire.LoginRequest{User: "<anna>"}, &r)
	}()
	serve(t, socket, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.Header.Get(wire.VersionHeader) + " " + string(body)
		w.Header().Set(wire.VersionHeader, strconv.Itoa(wire.Version))
		io.WriteString(w, "{}")
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := <-asked; !strings.HasPrefix(got, strconv.Itoa(wire.Version)+" ") || !strings.Contains(got, "<anna>") || len(asked) > 0 {
		t.Errorf("asked %q and %d more", got, len(asked))
	}
	if c.Starting() || c.Mismatch() != "" {
		t.Errorf("starting %v, %q", c.Starting(), c.Mismatch())
	}
}

func TestWhoGivesUpWaitsNoLonger(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(socketOf(t), time.Hour).Exec(ctx, wire.ExecRequest{}, ignore); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAnSbcdOfAnotherVersion(t *testing.T) {
	version := strconv.Itoa(wire.Version)
	for told, want := range map[string]string{version: "", "99": "sbcd speaks version 99 ", "": "sbcd speaks version 0 "} {
		socket := socketOf(t)
		serve(t, socket, func(w http.ResponseWriter, _ *http.Request) {
			if told != "" {
				w.Header().Set(wire.VersionHeader, told)
			}
			io.WriteString(w, "{}")
		})
		c := New(socket, 0)
		if got := c.Mismatch(); got != "" {
			t.Errorf("before any answer: %s", got)
		}
		if _, err := c.Settings(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.Mismatch(); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("version %q: %q", told, got)
		}
	}
}

// A tag goes through the box as it is, in the quotes of HTTP, and what is said of a text comes with its refusal.
func TestConfigurations(t *testing.T) {
	socket := socketOf(t)
	var matched string
	serve(t, socket, func(w http.ResponseWriter, r *http.Request) {
		matched = r.Header.Get("If-Match")
		if r.Method == http.MethodGet {
			w.Header().Set("ETag", `"a\"b"`)
			io.WriteString(w, "hostname box\n")
			return
		}
		if body, _ := io.ReadAll(r.Body); string(body) != "hostname box\n" {
			w.WriteHeader(http.StatusPreconditionFailed)
			json.NewEncoder(w).Encode(wire.ConfigReply{Error: "it has changed"})
			return
		}
		json.NewEncoder(w).Encode(wire.ConfigReply{})
	})
	c := New(socket, 0)
	text, tag, err := c.Config(t.Context(), url.Values{})
	if text != "hostname box\n" || tag != `a"b` || err != nil {
		t.Errorf("%q, tag %q, %v", text, tag, err)
	}
	if _, err := c.PutConfig(t.Context(), nil, tag, text); err != nil || matched != `"a\"b"` {
		t.Errorf("%v, If-Match %s", err, matched)
	}
	for _, tag := range []string{"", "*"} {
		if _, err := c.PutConfig(t.Context(), nil, tag, text); err != nil || matched != tag {
			t.Errorf("%v, If-Match %s", err, matched)
		}
	}
	var refused *Refused
	v, err := c.PutConfig(t.Context(), nil, "", "hostname other\n")
	if !errors.As(err, &refused) || refused.Status != http.StatusPreconditionFailed || refused.Text != "it has changed" || v.Error != "it has changed" {
		t.Errorf("%v, %+v", err, v)
	}
}

// A file is closed whatever comes: whoever sends it would wait for ever.
func TestAFileIsClosedWhenSbcdIsDown(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var down *Down
	if err := New(socketOf(t), 0).ExecWithFile(t.Context(), wire.ExecRequest{Line: "x"}, r, ignore); !errors.As(err, &down) {
		t.Errorf("%v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("it is open: %v", err)
	}
}

// Of a request of somebody else path and query count: it goes to sbcd, wherever it says.
func TestARequestIsPassedToSbcdOnly(t *testing.T) {
	socket := socketOf(t)
	serve(t, socket, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, r.Method+" "+r.Host+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X"))
	})
	to, _ := url.Parse("https://user:secret@elsewhere.example/v1/status?x=1")
	r, err := New(socket, 0).Pass(t.Context(), "PATCH", *to, http.Header{"X": {"y"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusTeapot || string(text) != "PATCH sbcd /v1/status?x=1  y" {
		t.Errorf("%d %q", r.StatusCode, text)
	}
}
