package insistent

import (
	"net/netip"
	"testing"
	"time"
)

// What a source was refused is forgotten with time, and only so many sources are known.
func TestRefusalsAreForgotten(t *testing.T) {
	var s Sources
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	a, other := netip.MustParseAddr("10.0.0.0"), netip.MustParseAddr("192.0.2.1")
	for n := range 100 {
		if s.Has(a, now) != (n >= from) {
			t.Errorf("after %d refusals: %v", n, s.Has(a, now))
		}
		s.Refused(a, now)
	}
	if s.Has(other, now) {
		t.Error("another one")
	}
	if now = now.Add(19 * time.Second); !s.Has(a, now) {
		t.Error("too soon")
	}
	if now = now.Add(2 * time.Second); s.Has(a, now) {
		t.Error("for ever")
	}
	for range 3 * sources {
		a = a.Next()
		s.Refused(a, now)
	}
	if len(s.of) > sources {
		t.Errorf("%d sources", len(s.of))
	}
}
