package pki

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestThresholds(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	for left, want := range map[time.Duration]int{
		31 * day: -1, 30*day + 1: -1, 30 * day: 30, 15 * day: 30, 14 * day: 14, 8 * day: 14, 7 * day: 7, 25 * time.Hour: 7,
		day: 1, time.Second: 1, 0: 0, -day: 0,
	} {
		days, passed := Threshold(&x509.Certificate{NotAfter: now.Add(left)}, now)
		if !passed {
			days = -1
		}
		if days != want {
			t.Errorf("%v before the end: %d, want %d", left, days, want)
		}
	}
}

// TestAShortLifeIsAnnouncedLate lets a certificate of 47 days, which is renewed with 16 days left, be renewed unannounced.
func TestAShortLifeIsAnnouncedLate(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Now()
	for left, want := range map[time.Duration]int{30 * day: -1, 14 * day: -1, 12 * day: -1, 7 * day: 7, day: 1, 0: 0} {
		days, passed := Threshold(&x509.Certificate{NotBefore: now.Add(left - 47*day), NotAfter: now.Add(left)}, now)
		if !passed {
			days = -1
		}
		if days != want {
			t.Errorf("%v before the end: %d, want %d", left, days, want)
		}
	}
}
