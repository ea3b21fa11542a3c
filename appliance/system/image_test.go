package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"viaduct/appliance/clock"
	"viaduct/appliance/firmware"
	"viaduct/appliance/lang/device"
	"viaduct/board"
)

// init1 is PID 1's socket with a handler behind it, and a box that knows it.
func init1(t *testing.T, b board.Board, handler http.HandlerFunc) *System {
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
	s := boxOf(t, b, t.TempDir(), "")
	s.firmware = firmware.New(firmware.Options{Log: s.log, Socket: path, Changed: s.relight})
	return s
}

// lamp is a board that remembers what its LED said.
type lamp struct {
	board.Board
	says chan board.Light
}

func (l lamp) LED(x board.Light) error { l.says <- x; return nil }

func TestWhileAnImageIsWritten(t *testing.T) {
	l := lamp{named(t, "sim"), make(chan board.Light, 10)}
	written := make(chan struct{})
	s := init1(t, l, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-written
		io.WriteString(w, "{\"done\":true}\n")
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.lights(ctx) }()
	if x := <-l.says; x != board.LightAlarm {
		t.Errorf("before: %s", x)
	}
	installed := make(chan error, 1)
	go func() {
		installed <- s.InstallImage(t.Context(), io.NopCloser(strings.NewReader("image")), false, func(string) {})
	}()
	if x := <-l.says; x != board.LightUpdate {
		t.Errorf("meanwhile: %s", x)
	}
	if _, err := s.Reload(device.Reload{}); err == nil {
		t.Error("a reload breaks it off")
	}
	close(written)
	if x := <-l.says; x != board.LightAlarm {
		t.Errorf("afterwards: %s", x)
	}
	cancel()
	if err := errors.Join(<-installed, <-ended); err != nil {
		t.Error(err)
	}
}

func TestOfAClockThatIsWaitedForTheLogSpeaksOnce(t *testing.T) {
	var log strings.Builder
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	s.health.Log = slog.New(slog.NewTextHandler(&log, nil))
	waits := fmt.Errorf("gateway WAN: %w", clock.ErrWaits)
	for range 3 { // it tries again every few seconds
		s.gatewaysApplied(errors.Join(waits, errors.New("gateway LAN: its address is not there")))
	}
	if list := s.problems(); len(list) != 2 {
		t.Errorf("%v", list)
	}
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "gateway LAN") || !strings.Contains(text, "tls-waits") {
		t.Errorf("log:\n%s", text)
	}
	s.gatewaysApplied(nil)
	if list := s.problems(); len(list) > 0 {
		t.Errorf("when all is done: %v", list)
	}
	if text := log.String(); strings.Count(text, "\n") != 4 || strings.Count(text, "alarm cleared") != 2 {
		t.Errorf("log:\n%s", text)
	}
}
