package graph

import (
	"net/http"
	"strconv"
	"time"
)

const (
	heldFirst   = time.Second // after a 429 without Retry-After, doubled with each
	heldLast    = 5 * time.Minute
	heldLongest = time.Hour // that a header may tell us to wait
)

// hold is when Microsoft wants to be left alone.
type hold struct {
	until time.Time
	row   int // refusals without Retry-After, since something was answered
}

// refused notes an answer 429, or another with Retry-After.
func (h *hold) refused(header http.Header, now time.Time) {
	wait, said := retryAfter(header, now)
	if !said {
		wait = heldLast
		if h.row < 9 {
			wait = min(heldFirst<<h.row, heldLast)
		}
		h.row++
	}
	h.until = now.Add(min(wait, heldLongest))
}

// retryAfter reads the header (RFC 9110, section 10.2.3): seconds, or a date. A date is measured by the clock of the server, since ours may be wrong.
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, int(heldLongest/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now)), true
}
