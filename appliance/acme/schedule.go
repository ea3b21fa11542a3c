package acme

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"time"

	"viaduct/appliance/pki"
)

// Window is the authority's advice when to renew a certificate (RFC 9773); zero: there is none.
type Window struct{ Start, End time.Time }

// due returns when a certificate is to be renewed: at a moment of the advised window, else after two thirds of its life. Which moment
// depends on the certificate alone, so it is another one for each box, and the same after each restart. Advice to wait until there is no
// time left for a second attempt is not followed, nor is advice to renew what has just been issued.
func due(c *x509.Certificate, w Window) time.Time {
	life := c.NotAfter.Sub(c.NotBefore)
	share := jitter(c)
	if w.Start.IsZero() || !w.End.After(w.Start) {
		return pki.Renewal(c).Add(time.Duration(share * float64(life/30)))
	}
	at := w.Start.Add(time.Duration(share * float64(w.End.Sub(w.Start))))
	if latest := c.NotAfter.Add(-life / 6); at.After(latest) {
		return latest
	}
	if earliest := c.NotBefore.Add(min(life/6, renewalLeast)); at.Before(earliest) {
		return earliest
	}
	return at
}

// renewalLeast is the least time between two renewals that an authority can talk us into.
const renewalLeast = 24 * time.Hour

// jitter is a number from 0 to 1 that looks like chance.
func jitter(c *x509.Certificate) float64 {
	sum := sha256.Sum256(c.Raw)
	return float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
}

// retry returns when to try again after failures in a row, the last of them at last. held is the time until which the authority wants to be left alone.
func retry(failures int, last, held time.Time) time.Time {
	if at := last.Add(pki.RetryPause(failures)); at.After(held) {
		return at
	}
	return held
}

const (
	adviceEvery = 12 * time.Hour // unless the authority says otherwise,
	adviceLeast = time.Hour      // within these bounds
	adviceMost  = 24 * time.Hour
)

// adviceAt returns when to ask for advice again. wanted is what the authority says, zero when it says nothing.
func adviceAt(now, wanted time.Time) time.Time {
	if wanted.IsZero() {
		return now.Add(adviceEvery)
	}
	return now.Add(min(max(wanted.Sub(now), adviceLeast), adviceMost))
}
