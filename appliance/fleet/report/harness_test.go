package report

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
	"viaduct/appliance/records"
	"viaduct/appliance/status"
)

// fakeHub is a fleet.Link to a hub that behaves as a test wants. It keeps what it was sent.
type fakeHub struct {
	mu        sync.Mutex
	connected bool
	next      chan struct{}
	delay     time.Duration
	answer    func(id string) (takes bool, err error) // of Keep; nil: it takes all
	kept      []kept
	asked     []time.Time // each Keep
	statuses  []fleet.Status
	beats     []time.Time // of them
	longest   int         // status, in octets
}

type kept struct {
	subject, id string
	body        []byte
}

func newHub() *fakeHub { return &fakeHub{connected: true, next: make(chan struct{})} }

// connect makes or loses the connection.
func (h *fakeHub) connect(connected bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.connected != connected {
		h.connected = connected
		close(h.next)
		h.next = make(chan struct{})
	}
}

// behave changes the answers.
func (h *fakeHub) behave(answer func(id string) (bool, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *fakeHub) Changed() (bool, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.connected, h.next
}

func (h *fakeHub) Keep(ctx context.Context, subject, id string, body []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, time.Now())
	if !h.connected {
		return fleet.ErrAway
	}
	takes, err := true, error(nil)
	if h.answer != nil {
		takes, err = h.answer(id)
	}
	if takes {
		h.kept = append(h.kept, kept{subject, id, slices.Clone(body)})
	}
	h.mu.Unlock()
	defer h.mu.Lock()
	select {
	case <-time.After(h.delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	return err
}

func (h *fakeHub) Send(subject string, body []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var s fleet.Status
	if err := json.Unmarshal(body, &s); err != nil || subject != "box.berlin.status" {
		return fmt.Errorf("%s: %w", subject, err)
	}
	h.statuses, h.beats, h.longest = append(h.statuses, s), append(h.beats, time.Now()), max(h.longest, len(body))
	return nil
}

func (h *fakeHub) Request(context.Context, string, []byte) ([]byte, error) { return nil, fleet.ErrAway }
func (h *fakeHub) Listen(string, func(fleet.Message)) (func(), error)      { return func() {}, nil }
func (h *fakeHub) Reply(fleet.Message, []byte) error                       { return nil }

// has returns what the hub has on a subject. What came again is left out.
func (h *fakeHub) has(subject string) (list []kept) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := map[string]string{}
	for _, k := range h.kept {
		if body, again := ids[k.id]; again {
			if body != string(k.body) {
				list = append(list, kept{id: "another body for " + k.id})
			}
			continue
		}
		if ids[k.id] = string(k.body); k.subject == subject {
			list = append(list, k)
		}
	}
	return list
}

// calls are the records that the hub has, in the order in which they came first.
func (h *fakeHub) calls() (list []string) {
	for _, k := range h.has("box.berlin.calls") {
		var r status.Record
		if json.Unmarshal(k.body, &r) != nil || !strings.HasSuffix(k.id, r.ID) {
			return append(list, "no record: "+k.id+" "+string(k.body))
		}
		list = append(list, r.ID)
	}
	return list
}

// alarms are the alarms that the hub has.
func (h *fakeHub) alarms(t testing.TB) (list []fleet.Alarm) {
	for _, k := range h.has("box.berlin.alarms") {
		var a fleet.Alarm
		if err := json.Unmarshal(k.body, &a); err != nil || !strings.HasPrefix(k.id, "berlin/") || !strings.HasSuffix(k.id, "/"+a.ID) || len(k.id) > 200 {
			t.Errorf("%s: %s", k.id, k.body)
		}
		list = append(list, a)
	}
	return list
}

// told are the alarms in short.
func (h *fakeHub) told(t testing.TB) (list []string) {
	for _, a := range h.alarms(t) {
		list = append(list, strings.TrimSpace(a.What+" "+a.Alarm+" "+a.Subject))
	}
	return list
}

func (h *fakeHub) times() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

func (h *fakeHub) status() (fleet.Status, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.statuses) == 0 {
		return fleet.Status{}, 0
	}
	return h.statuses[len(h.statuses)-1], len(h.statuses)
}

// box is a box that reports: one life of it, between a start and a kill.
type box struct {
	*Reporter
	dir     string
	health  *health.Tracker
	archive *records.Archive
	stop    func()
}

// options are those of a box whose state lies in dir.
func options(dir string, link fleet.Link, log *slog.Logger) (Options, *records.Archive) {
	tracker := &health.Tracker{}
	archive := records.New(records.Options{Dir: filepath.Join(dir, "cdr"), Log: log, Health: tracker, Sane: func() error { return nil }})
	var c config.CallRecords
	c.SetDefaults()
	archive.Apply(c, "box")
	return Options{
		Dir: filepath.Join(dir, "fleet"), Log: log, Health: tracker, Records: archive.Follow(RecordsFile), Link: link,
		Status: func() fleet.Status { return fleet.Status{Serial: "00A0BA0F2439", Calls: 3} },
	}, archive
}

// start starts a box.
func start(t testing.TB, dir string, link fleet.Link, f *config.Fleet, settings ...func(*Reporter)) *box {
	t.Helper()
	o, archive := options(dir, link, slog.New(slog.DiscardHandler))
	b := &box{Reporter: New(o), dir: dir, health: o.Health, archive: archive}
	for _, set := range settings {
		set(b.Reporter)
	}
	b.Apply(f)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{archive.Run, b.Run, b.health.Run} {
		all.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	b.stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(b.stop)
	return b
}

// kill is what kill -9 leaves of a box: its files as they are now. The folder that it returns has them.
func (b *box) kill(t testing.TB) (dir string) {
	t.Helper()
	synctest.Wait() // all files at one moment
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	b.stop()
	return dir
}

// member is the configuration of a fleet whose hub gets records.
func member() *config.Fleet {
	f := &config.Fleet{Name: "berlin", Hubs: []*config.HubNode{{Host: "hub.example.com", Port: 443}}, Pin: strings.Repeat("a", 64), Records: config.FleetRecord{Sent: true}}
	f.SetDefaults()
	return f
}

// record is the nth call of a test.
func record(n int) status.Record {
	at := time.Date(2026, 11, 30, 10, 0, n, 0, time.UTC)
	return status.Record{
		Version: 2, ID: fmt.Sprintf("%08x", n), Started: at, Connected: at.Add(time.Second), Ended: at.Add(time.Minute), From: "if_teams", To: "if_pbx",
		Calling: "+49301234567", Called: "+49897654321", By: status.ByCaller, Code: 200,
	}
}

func ids(from, to int) (list []string) {
	for n := from; n < to; n++ {
		list = append(list, record(n).ID)
	}
	return list
}

// down is an alarm of an engine.
func (b *box) down(engine string) {
	b.health.Set(health.ServiceDown, health.Args{"engine": engine, "why": "it has ended"})
}

func (b *box) up(engine string) { b.health.Clear(health.ServiceDown, engine) }

func wantList(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// inBubble runs a test in a bubble of synctest.
func inBubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// pass lets time pass until nothing moves.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
