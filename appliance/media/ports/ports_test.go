package ports

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// A port that has rested for the quarantine is taken first; where all rest, the one that has done so longest, but none that a late packet may
// still reach.
func TestPortsRestForAsLongAsThereAreOthers(t *testing.T) {
	p, now := NewPools(10*time.Second), time.Now()
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
	if port, err := p.acquire(r, now.Add(1900*time.Millisecond)); !errors.Is(err, ErrNone) {
		t.Errorf("after 1.9 s port %d, %v", port, err)
	}
	if port, err := p.acquire(r, now.Add(2*time.Second)); err != nil || port != had[0] {
		t.Errorf("after 2 s port %d, %v, want %d", port, err, had[0])
	}
	if port, err := p.acquire(r, now.Add(2*time.Second)); !errors.Is(err, ErrNone) {
		t.Errorf("the other after a second: port %d, %v", port, err)
	}
	p.release(r, had[2], now.Add(-time.Minute))
	if port, err := p.acquire(r, now.Add(3*time.Second)); err != nil || port != had[2] {
		t.Errorf("port %d, %v, want %d, which is rested", port, err, had[2])
	}
}

// A port rests whatever range the next call takes it from.
func TestAPortRestsInAllRangesOfItsAddress(t *testing.T) {
	p, now := NewPools(10*time.Second), time.Now()
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	narrow, wide, elsewhere := portRange{here, 20000, 20001}, portRange{here, 20000, 20003}, portRange{there, 20000, 20001}
	take := func(r portRange, after time.Duration, want uint16) {
		t.Helper()
		port, err := p.acquire(r, now.Add(after))
		if port != want || (want == 0) != errors.Is(err, ErrNone) {
			t.Errorf("%v after %v: %d, %v", r, after, port, err)
		}
	}
	take(narrow, 0, 20000)
	take(elsewhere, 0, 20000)
	p.release(narrow, 20000, now)
	take(wide, time.Second, 20002)
	take(wide, 1900*time.Millisecond, 0)
	take(narrow, 1900*time.Millisecond, 0)
	take(wide, 10*time.Second, 20000)
}
