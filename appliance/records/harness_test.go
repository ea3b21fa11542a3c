package records

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// TestMain is also the process that fills a small medium.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RECORDS_ON_A_SMALL_MEDIUM"); dir != "" {
		fillMedium(dir)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// record is the nth call of a test.
func record(n int) status.Record {
	at := time.Date(2026, 11, 29, 10, 0, n, 0, time.UTC)
	return status.Record{
		Version: 2, ID: fmt.Sprintf("%08x", n), Started: at, Connected: at.Add(time.Second), Ended: at.Add(time.Minute), From: "if_teams", To: "if_pbx",
		Calling: "+49301234567", Called: "+49897654321", By: status.ByCaller, Code: 200,
	}
}

// harness is an archive whose web server is a function.
type harness struct {
	*Archive
	dir    string
	log    bytes.Buffer
	health *health.Tracker
	server server
}

// server keeps what it has taken.
type server struct {
	mu     sync.Mutex
	answer func(q *http.Request, ids []string) (code int, header http.Header) // nil: 200; code 0: no answer
	calls  []time.Time
	taken  []string // ids of records, in order
	last   *http.Request
	body   []byte
}

func (s *server) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	ids := idsOf(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.last, s.body = append(s.calls, time.Now()), q, body
	code, header := 200, http.Header{}
	if s.answer != nil {
		code, header = s.answer(q, ids)
	}
	if code == 0 {
		return nil, fmt.Errorf("dial tcp: connection refused")
	}
	if code/100 == 2 {
		s.taken = append(s.taken, ids...)
	}
	return &http.Response{StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), Header: header, Body: io.NopCloser(strings.NewReader("")), Request: q}, nil
}

// behave changes what the server answers; nil: 200.
func (s *server) behave(answer func(q *http.Request, ids []string) (int, http.Header)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// took are the ids of the records that the server has taken.
func (s *server) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

// asked are the times of the requests.
func (s *server) asked() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// request is the last one, with its body.
func (s *server) request() (*http.Request, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, string(s.body)
}

func idsOf(body []byte) (ids []string) {
	var b struct {
		Records []struct {
			ID     string        `json:"id"`
			Record status.Record `json:"record"`
		} `json:"records"`
	}
	if json.Unmarshal(body, &b) != nil {
		return nil
	}
	for _, r := range b.Records {
		ids = append(ids, r.Record.ID)
	}
	return ids
}

func newHarness(dir string) *harness {
	h := &harness{dir: dir}
	logger := slog.New(slog.NewTextHandler(&h.log, nil))
	h.health = &health.Tracker{Log: logger}
	h.Archive = New(Options{
		Dir: dir, Log: logger, Health: h.health, Sane: func() error { return nil },
		Client: func() *http.Client { return &http.Client{Transport: &h.server} },
	})
	return h
}

// start runs the archive. The function that it returns stops it.
func (h *harness) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func posting() config.CallRecords {
	var c config.CallRecords
	c.SetDefaults()
	c.Post = config.RecordPost{URL: "https://records.example.com/sbc?key=hidden", Token: "secret"}
	return c
}

func ids(from, to int) (list []string) {
	for n := from; n < to; n++ {
		list = append(list, record(n).ID)
	}
	return list
}
