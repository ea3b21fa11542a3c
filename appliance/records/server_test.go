package records

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/health"
)

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// begun reports that the sending has found its place.
func (h *harness) begun() bool { return h.poster.records.Begun() }

// A server on the network does everything that a server should not. The box restarts in the middle. Nothing is lost, and what comes twice has
// the same id.
func TestARealServerThatFails(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	taken, batches := map[string]int{}, map[string]string{}
	requests := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		requests++
		id := q.Header.Get("Idempotency-Key")
		if old, again := batches[id]; again && old != string(body) {
			bodies = append(bodies, "another body for the batch "+id)
		}
		batches[id] = string(body)
		take := func() {
			for _, id := range idsOf(body) {
				taken[id]++
			}
		}
		switch requests {
		case 1: // it dies before it has read
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusInternalServerError)
		case 3: // it has the batch, and dies before it says so
			take()
			panic(http.ErrAbortHandler)
		case 4: // slowly, piece by piece, and never to its end
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusServiceUnavailable)
			for range 5 {
				fmt.Fprint(w, "wait")
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		default:
			take()
			w.WriteHeader(http.StatusAccepted)
		}
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()

	dir := t.TempDir()
	c := posting()
	c.Post.URL = s.URL + "/records"
	box := func(client *http.Client) *harness {
		h := newHarness(dir)
		h.poster.o.Client = func() *http.Client { return client }
		h.poster.gather = 10 * time.Millisecond
		h.Apply(c, "box")
		return h
	}
	// One that does not know the server's root sends nothing.
	h := box(&http.Client{})
	stop := h.start(t)
	await(t, "the position", h.begun)
	for n := range 20 {
		h.Take(record(n))
	}
	await(t, "the alarm", func() bool {
		list := h.health.Current()
		return len(list) == 1 && strings.Contains(list[0].Text, "certificate signed by unknown authority")
	})
	stop()
	mu.Lock()
	if requests != 0 {
		t.Errorf("%d requests to a stranger", requests)
	}
	mu.Unlock()

	h = box(s.Client())
	stop = h.start(t)
	await(t, "a second request", func() bool { mu.Lock(); defer mu.Unlock(); return requests >= 2 })
	stop()
	h = box(s.Client())
	stop = h.start(t)
	for n := 20; n < 30; n++ {
		h.Take(record(n))
	}
	await(t, "a good request", func() bool { mu.Lock(); defer mu.Unlock(); return requests >= 5 && taken[record(29).ID] > 0 })
	await(t, "the end of the alarm", func() bool { return h.Status().Post.Waiting == 0 && len(h.health.Current()) == 0 })
	stop()
	mu.Lock()
	defer mu.Unlock()
	for _, id := range ids(0, 30) {
		if taken[id] == 0 {
			t.Errorf("record %s is lost", id)
		}
	}
	if taken[record(0).ID] < 2 || len(taken) != 30 || len(bodies) > 0 {
		t.Errorf("taken %v, %q", taken, bodies)
	}
}

// A medium that is full: records wait in memory, the alarm says so, and all are written and sent once there is room.
func TestAFullMedium(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), "RECORDS_ON_A_SMALL_MEDIUM="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS} // with its mount
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "done" {
		t.Errorf("%v (a mount wants root)\n%s", err, out)
	}
}

// fillMedium is the process of TestAFullMedium. What it says beside "done" is a fault.
func fillMedium(dir string) {
	must := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	until := func(what string, so func() bool) {
		for end := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				must(fmt.Errorf("%s does not come", what))
			}
		}
	}
	must(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	must(syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	h := newHarness(filepath.Join(dir, "cdr"))
	h.poster.gather = 10 * time.Millisecond
	h.Apply(posting(), "box")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	until("the position", h.begun)
	h.Take(record(0))
	until("the first record", func() bool { return len(h.server.took()) == 1 })
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	must(err)
	for {
		if _, err := f.Write(make([]byte, 512)); err != nil {
			break
		}
	}
	must(f.Close())
	const many = mostHeld + 100 // more than fit into the rest of a page, and into memory
	for n := 1; n <= many; n++ {
		h.Take(record(n))
		until("room in the queue", func() bool { return len(h.queue) < queued/2 })
	}
	until("the alarm", func() bool {
		list := h.health.Current()
		return slices.ContainsFunc(list, func(a health.Alarm) bool {
			return strings.Contains(a.Text, "no space left on device") && strings.Contains(a.Text, "1000 records") && strings.Contains(a.Text, "were lost")
		})
	})
	must(os.Remove(ballast))
	h.Take(record(many + 1))
	until("the last record", func() bool { return slices.Contains(h.server.took(), record(many+1).ID) })
	until("the end of the alarms", func() bool { return len(h.health.Current()) == 0 })
	list, err := h.Last(10_000)
	must(err)
	if n := len(list); n < mostHeld || n > many+2 || list[n-1].ID != record(many+1).ID {
		must(fmt.Errorf("%d records are kept", n))
	}
	cancel()
	must(<-done)
	fmt.Println("done")
}
