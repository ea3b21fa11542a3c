package appliance

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"viaduct/appliance/api"
)

// A server that has ended leaves the box without consoles, and PID 1 without an answer: the next call opens the socket again.
func TestTheAPIIsOpenedAgain(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s.sock")
	d, err := openDoor(api.Options{Socket: socket}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDoor(api.Options{Socket: socket}, nil); err == nil {
		t.Error("two boxes at one socket")
	}
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.run(ctx) }()
		answers := func() bool {
			c, err := net.Dial("unix", socket)
			if err == nil {
				c.Close()
			}
			return err == nil
		}
		for !answers() {
			time.Sleep(time.Millisecond)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
