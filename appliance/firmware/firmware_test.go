package firmware

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"viaduct/appliance/status"
	"viaduct/image/update"
)

// init1 is PID 1's socket with a handler behind it, and an Installer that knows it.
func init1(t *testing.T, handler http.HandlerFunc) *Installer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "init.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	served := make(chan struct{})
	go func() { server.Serve(l); close(served) }()
	t.Cleanup(func() { server.Close(); <-served })
	return New(Options{Log: slog.New(slog.DiscardHandler), Socket: path, Changed: func() {}})
}

func TestWhatIsShownOfTheSlots(t *testing.T) {
	built := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	v1, v2 := update.Firmware{Version: "v1", Commit: "c1", Built: built}, update.Firmware{Version: "v2", Commit: "c2", Built: built}
	failed := v2
	failed.Failed = true
	a, b := status.Image{Slot: "a", Version: "v1", Commit: "c1", Built: built, MaxTries: update.Tries}, status.Image{Slot: "b", MaxTries: update.Tries}
	second := func(change func(*status.Image)) status.Image {
		x := status.Image{Slot: "b", Version: "v2", Commit: "c2", Built: built, MaxTries: update.Tries}
		change(&x)
		return x
	}
	for name, c := range map[string]struct {
		running string
		state   update.State
		want    [2]status.Image
		waiting string
	}{
		"as flashed":     {"a", update.State{Slots: [2]update.Firmware{v1, {}}}, [2]status.Image{mark(a, true, true), b}, ""},
		"installed":      {"a", update.State{Slots: [2]update.Firmware{v1, v2}, Trial: &update.Trial{Slot: update.B}}, [2]status.Image{mark(a, true, false), second(func(x *status.Image) { x.Next, x.Trial = true, true })}, "v2"},
		"started once":   {"b", update.State{Slots: [2]update.Firmware{v1, v2}, Trial: &update.Trial{Slot: update.B, Tries: 1}}, [2]status.Image{a, second(func(x *status.Image) { x.Running, x.Next, x.Trial, x.Tries = true, true, true, 1 })}, ""},
		"its last start": {"b", update.State{Slots: [2]update.Firmware{v1, v2}, Trial: &update.Trial{Slot: update.B, Tries: update.Tries}}, [2]status.Image{mark(a, false, true), second(func(x *status.Image) { x.Running, x.Trial, x.Tries = true, true, update.Tries })}, "v1"},
		"confirmed":      {"b", update.State{Slots: [2]update.Firmware{v1, v2}}, [2]status.Image{a, second(func(x *status.Image) { x.Running, x.Next = true, true })}, ""},
		"taken back":     {"a", update.State{Slots: [2]update.Firmware{v1, failed}}, [2]status.Image{mark(a, true, true), second(func(x *status.Image) { x.Failed = true })}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := init1(t, func(w http.ResponseWriter, r *http.Request) {
				json.NewEncoder(w).Encode(map[string]any{"board": "qemu-virt", "running": c.running, "state": c.state})
			})
			got, err := s.Images(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(status.Images{Board: "qemu-virt", Slots: c.want[:]}, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if v := s.Waiting(); v != c.waiting {
				t.Errorf("%q waits, want %q", v, c.waiting)
			}
		})
	}
}

func mark(i status.Image, running, next bool) status.Image {
	i.Running, i.Next = running, next
	return i
}

func TestPID1SaysWhatIsWrongWithTheMedium(t *testing.T) {
	s := init1(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no partition 3", http.StatusServiceUnavailable)
	})
	if _, err := s.Images(t.Context()); err == nil || err.Error() != "no partition 3" {
		t.Errorf("images: %v", err)
	}
	err := s.Install(t.Context(), io.NopCloser(strings.NewReader("image")), false, func(string) {})
	if err == nil || err.Error() != "no partition 3" {
		t.Errorf("install: %v", err)
	}
}

// Who stops to send is given up; who waits for PID 1 to write is not.
func TestAStalledFileIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, p, end := awaited(t.Context(), stallTime)
		defer end()
		out, in := io.Pipe()
		p.ReadCloser, p.report = out, func(string) {}
		go func() {
			in.Write([]byte("a"))
			time.Sleep(stallTime - time.Second)
			in.Write([]byte("b"))
			time.Sleep(stallTime + 2*time.Hour)
			in.Close()
		}()
		for range 2 {
			if _, err := p.Read(make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour) // PID 1 writes
		if because(ctx, errors.New("x")) == errStalled {
			t.Error("given up though nobody read")
		}
		p.Read(make([]byte, 10))
		if because(ctx, errors.New("x")) != errStalled {
			t.Error("not given up")
		}
	})
}

// A sender over ssh whose line is dead would else keep everybody from installing until its session ends.
func TestASenderThatFallsSilentFreesTheInstaller(t *testing.T) {
	freed := make(chan struct{}, 1)
	s := init1(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		freed <- struct{}{}
	})
	for s.stall = 100 * time.Millisecond; s.stall < time.Minute; s.stall *= 2 { // PID 1 may not have been asked yet when the time is over
		out, in := io.Pipe()
		go in.Write([]byte("the beginning of an image"))
		if err := s.Install(t.Context(), out, false, func(string) {}); !errors.Is(err, errStalled) {
			t.Errorf("%v", err)
		}
		select {
		case <-freed:
			return
		case <-time.After(50 * s.stall):
		}
	}
	t.Error("PID 1 waits on")
}
