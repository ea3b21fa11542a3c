package media

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// A port that has rested for the quarantine is taken first; where all rest, the one that has done so longest, but none that a late packet may
// still reach.
func TestPortsRestForAsLongAsThereAreOthers(t *testing.T) {
	p, now := newPools(10*time.Second), time.Now()
	r := portRange{netip.MustParseAddr("192.0.2.1"), 20000, 20005}
	var had []uint16
	for range 3 {
		port, err := p.acquire(r, now)
		if err != nil {
			t.Fatal(err)
		}
		had = append(had, port)
	}
	p.release(r, had[0], now)
	p.release(r, had[1], now.Add(time.Second))
	if port, err := p.acquire(r, now.Add(1900*time.Millisecond)); !errors.Is(err, ErrNoPort) {
		t.Errorf("after 1.9 s port %d, %v", port, err)
	}
	if port, err := p.acquire(r, now.Add(2*time.Second)); err != nil || port != had[0] {
		t.Errorf("after 2 s port %d, %v, want %d", port, err, had[0])
	}
	if port, err := p.acquire(r, now.Add(2*time.Second)); !errors.Is(err, ErrNoPort) {
		t.Errorf("the other after a second: port %d, %v", port, err)
	}
	p.release(r, had[2], now.Add(-time.Minute))
	if port, err := p.acquire(r, now.Add(3*time.Second)); err != nil || port != had[2] {
		t.Errorf("port %d, %v, want %d, which is rested", port, err, had[2])
	}
}
