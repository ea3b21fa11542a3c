package media

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"

	"viaduct/appliance/srtp"
)

// descriptors is how many files the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// A reload ends a relay and makes another one in the same process.
func TestAnEndedRelayLeavesNothing(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(way(own), func(t *testing.T) {
			var before int
			for n := range 3 {
				t.Run("", func(t *testing.T) { call(t, running(t, Options{ownSockets: own}), srtp.AES80).talk(t) })
				if n == 0 {
					before = descriptors(t) // the Go runtime has opened its own
				}
			}
			if after := descriptors(t); after != before {
				t.Errorf("%d files are open, %d after the first relay", after, before)
			}
		})
	}
}

// Whoever opens ports while the relay ends, or later, gets an error.
func TestPortsOfARelayThatHasEnded(t *testing.T) {
	here := PortOptions{Addr: netip.MustParseAddr("127.0.0.5"), First: 31030, Last: 31039}
	for _, own := range []bool{false, true} {
		t.Run(way(own), func(t *testing.T) {
			r := New(Options{ownSockets: own})
			early, late, never := r.NewSession(), r.NewSession(), r.NewSession()
			if _, err := early.Open(A, here); err != nil {
				t.Fatal(err)
			}
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if err := r.threads[0].run(ended); err != nil {
				t.Fatal(err)
			}
			before := descriptors(t)
			if _, err := late.Open(A, here); !errors.Is(err, errEnded) {
				t.Errorf("between the end of the thread and that of the relay: %v", err)
			}
			if after := descriptors(t); after != before {
				t.Errorf("%d files are open, %d before", after, before)
			}
			r.end()
			if _, err := never.Open(A, here); !errors.Is(err, errEnded) {
				t.Errorf("afterwards: %v", err)
			}
			for _, s := range []*Session{early, late, never} {
				s.Stats(A)
				s.Close()
			}
		})
	}
}

// Where only one of two ports can be steered, none is kept.
func TestTheLastPort(t *testing.T) {
	r := New(Options{steered: 1})
	if err := r.prepare(); err != nil {
		t.Fatal(err)
	}
	defer r.end()
	s := r.NewSession()
	before := descriptors(t)
	if _, err := s.Open(A, PortOptions{Addr: netip.MustParseAddr("127.0.0.5"), First: 31030, Last: 31039}); !errors.Is(err, ErrNoPort) {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d files are open, %d before", after, before)
	}
	if _, err := r.steering.Add(netip.MustParseAddrPort("127.0.0.5:31030"), 0); err != nil {
		t.Errorf("the only place is not free: %v", err)
	}
	s.Close()
}
