package acme

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestWhenACertificateIsDue(t *testing.T) {
	begin := time.Date(2027, 3, 15, 0, 0, 0, 0, time.UTC)
	for n := range byte(50) {
		for _, life := range []time.Duration{10 * time.Minute, 47 * day, 90 * day} {
			c := &x509.Certificate{Raw: []byte{n}, NotBefore: begin, NotAfter: begin.Add(life)}
			at := due(c, Window{})
			if share := float64(at.Sub(begin)) / float64(life); share < 0.666 || share > 0.7001 {
				t.Errorf("life %v: due after %v of it", life, share)
			}
			w := Window{begin.Add(life / 2), begin.Add(life/2 + life/20)}
			if at := due(c, w); at.Before(w.Start) || at.After(w.End) {
				t.Errorf("life %v: due %v, outside of the window", life, at)
			}
			if at := due(c, Window{w.Start.Add(9 * life), w.End.Add(9 * life)}); c.NotAfter.Sub(at) != life/6 {
				t.Errorf("life %v: a window after its end: due %v", life, at)
			}
			if at := due(c, Window{begin.Add(-2 * life), begin.Add(-life)}); at.Sub(begin) != min(life/6, day) {
				t.Errorf("life %v: a window before its beginning: due %v", life, at)
			}
			if at := due(c, Window{w.End, w.Start}); at != due(c, Window{}) {
				t.Errorf("a window that ends before it begins: due %v", at)
			}
		}
	}
}

func TestPausesGrowAndTheAuthorityIsHeard(t *testing.T) {
	last := time.Date(2027, 3, 15, 0, 0, 0, 0, time.UTC)
	for failures, want := range map[int]time.Duration{0: 0, 1: time.Hour, 2: 6 * time.Hour, 3: day, 4: day, 1000: day} {
		if got := retry(failures, last, time.Time{}).Sub(last); got != want {
			t.Errorf("%d failures: %v, want %v", failures, got, want)
		}
	}
	if got := retry(1, last, last.Add(3*day)).Sub(last); got != 3*day {
		t.Errorf("held for three days: %v", got)
	}
	for header, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "0": 0, "": time.Hour, "-5": time.Hour, "soon": time.Hour, "99999999999999999999": time.Hour, "99999999": 7 * day,
		"Mon, 15 Mar 2027 12:00:00 GMT": 12 * time.Hour, "Mon, 15 Mar 2077 12:00:00 GMT": 7 * day,
	} {
		if got := heldUntil(header, last).Sub(last); got != want {
			t.Errorf("Retry-After %q: %v, want %v", header, got, want)
		}
	}
	for wanted, want := range map[time.Duration]time.Duration{time.Second: time.Hour, 6 * time.Hour: 6 * time.Hour, 30 * day: day} {
		if got := adviceAt(last, last.Add(wanted)).Sub(last); got != want {
			t.Errorf("advice after %v: %v, want %v", wanted, got, want)
		}
	}
	if got := adviceAt(last, time.Time{}).Sub(last); got != 12*time.Hour {
		t.Errorf("advice: %v", got)
	}
}

func TestWhichRecordsFit(t *testing.T) {
	a := account{Issuer: "letsencrypt.org", URL: "https://ca.test/acct/1"}
	now := time.Unix(1_800_000_000, 0)
	for record, want := range map[string]bool{
		a.recordValue(): true,
		" LetsEncrypt.org. ; policy=wildcard ; accounturi = https://ca.test/acct/1 ; persistUntil=1800000001": true,
		"letsencrypt.org; accounturi=https://ca.test/acct/1; persistUntil=1799999999":                         false,
		"letsencrypt.org; accounturi=https://ca.test/acct/1; persistUntil=soon":                               false,
		"letsencrypt.org; accounturi=https://ca.test/acct/12":                                                 false,
		"letsencrypt.org": false, "other.org; accounturi=https://ca.test/acct/1": false, "": false,
	} {
		if got := a.fits(record, now); got != want {
			t.Errorf("%q: %v", record, got)
		}
	}
}
