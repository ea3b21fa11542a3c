package pki

import (
	"crypto/x509"
	"time"
)

// Thresholds are the days before its end at which a certificate is announced; 0 is its end.
var Thresholds = []int{30, 14, 7, 1, 0}

// warnBefore is how long before its end a certificate is announced: a month, or the last quarter of a shorter life. One that renews itself
// is renewed after two thirds of its life, so it is announced only when that has failed for a while.
func warnBefore(c *x509.Certificate) time.Duration {
	const month = 30 * 24 * time.Hour
	if c.NotBefore.IsZero() {
		return month
	}
	return min(month, c.NotAfter.Sub(c.NotBefore)/4)
}

// Announced is when the end of a certificate begins to be announced: in alarms, in the list of problems, and in `show pki`.
func Announced(c *x509.Certificate) time.Time { return c.NotAfter.Add(-warnBefore(c)) }

// Threshold is the last of the Thresholds that a certificate has passed, false while it has passed none.
func Threshold(c *x509.Certificate, now time.Time) (days int, passed bool) {
	left := c.NotAfter.Sub(now)
	for _, t := range Thresholds {
		if before := time.Duration(t) * 24 * time.Hour; left <= before && (t == 0 || !now.Before(Announced(c))) {
			days, passed = t, true
		}
	}
	return days, passed
}

// Renewal is when a certificate that renews itself is due: after two thirds of its life.
func Renewal(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 3 * 2)
}

// RetryPause is how long a renewal waits after failures in a row: an hour, six hours, then a day each time. What fails often costs a new key
// each time, and the patience of an authority.
func RetryPause(failures int) time.Duration {
	switch failures {
	case 0:
		return 0
	case 1:
		return time.Hour
	case 2:
		return 6 * time.Hour
	}
	return 24 * time.Hour
}
