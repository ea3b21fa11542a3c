package media

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// A port rests whatever range the next call takes it from.
func TestAPortRestsInAllRangesOfItsAddress(t *testing.T) {
	p, now := newPools(10*time.Second), time.Now()
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	narrow, wide, elsewhere := portRange{here, 20000, 20001}, portRange{here, 20000, 20003}, portRange{there, 20000, 20001}
	take := func(r portRange, after time.Duration, want uint16) {
		t.Helper()
		port, err := p.acquire(r, now.Add(after))
		if port != want || (want == 0) != errors.Is(err, ErrNoPort) {
			t.Errorf("%v after %v: %d, %v", r, after, port, err)
		}
	}
	take(narrow, 0, 20000)
	take(elsewhere, 0, 20000)
	p.release(narrow, 20000, now)
	take(wide, time.Second, 20002)
	take(wide, 9*time.Second, 0)
	take(narrow, 9*time.Second, 0)
	take(wide, 10*time.Second, 20000)
}
