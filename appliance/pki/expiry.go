package pki

import (
	"crypto/x509"
	"time"
)

// Thresholds are the days before its end at which a certificate is announced; 0 is its end.
var Thresholds = []int{30, 14, 7, 1, 0}

// Threshold is the last of the Thresholds that a certificate has passed, false while it has passed none.
func Threshold(c *x509.Certificate, now time.Time) (days int, passed bool) {
	left := c.NotAfter.Sub(now)
	for _, t := range Thresholds {
		if left <= time.Duration(t)*24*time.Hour {
			days, passed = t, true
		}
	}
	return days, passed
}
