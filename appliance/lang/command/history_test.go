package command

import (
	"testing"
	"time"
)

func TestMoments(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"08:00":            time.Date(2026, 11, 22, 8, 0, 0, 0, zone),
		"8:00":             time.Date(2026, 11, 22, 8, 0, 0, 0, zone),
		"23:30":            time.Date(2026, 11, 21, 23, 30, 0, 0, zone), // it has not come today
		"2026-11-20":       time.Date(2026, 11, 20, 0, 0, 0, 0, zone),
		"2026-11-20T10:30": time.Date(2026, 11, 20, 10, 30, 0, 0, zone),
		"90m":              time.Date(2026, 11, 22, 10, 30, 0, 0, zone),
		"3d":               time.Date(2026, 11, 19, 12, 0, 0, 0, zone),
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "soon", "25:00", "-2h", "2026-13-01", "3x", "d", "99999999d"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
