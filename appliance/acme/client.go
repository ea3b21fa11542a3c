package acme

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/printable"

	lib "github.com/mholt/acmez/v3/acme"
)

const (
	answerMax  = 1 << 20 // octets of one answer
	answersMax = 500     // in one run
	heldMost   = 7 * 24 * time.Hour
)

// guarded is an http.RoundTripper that bounds what an authority can make us read and do, and remembers when it wants to be left alone.
type guarded struct {
	base http.RoundTripper

	mu   sync.Mutex
	left int
	held time.Time
}

var errTooMany = errors.New("the authority keeps us busy without an end")

func (g *guarded) RoundTrip(q *http.Request) (*http.Response, error) {
	g.mu.Lock()
	g.left--
	spent := g.left < 0
	g.mu.Unlock()
	if spent {
		return nil, errTooMany
	}
	r, err := g.base.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	r.Body = bounded{io.LimitReader(r.Body, answerMax), r.Body}
	if wait := r.Header.Get("Retry-After"); r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusServiceUnavailable && wait != "" {
		g.mu.Lock()
		g.held = heldUntil(wait, time.Now())
		g.mu.Unlock()
	}
	return r, nil
}

// bounded is a body of which only a part is read.
type bounded struct {
	io.Reader
	io.Closer
}

// heldUntil reads Retry-After: seconds or a date. What cannot be read is an hour, and nothing is more than a week.
func heldUntil(header string, now time.Time) time.Time {
	until := now.Add(time.Hour)
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		until = now.Add(time.Duration(min(seconds, int(heldMost/time.Second))) * time.Second)
	} else if at, err := http.ParseTime(header); err == nil {
		until = at
	}
	if until.After(now.Add(heldMost)) {
		return now.Add(heldMost)
	}
	return until
}

// Held is when the authority wants to be left alone; zero: it does not.
func (g *guarded) Held() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// failure is why a certificate is not obtained, and what an administrator can do.
type failure struct {
	err    error
	advice string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// What an administrator can do about each kind of failure.
const (
	adviceDirectory = "Check the path to the directory: name servers, routes, a proxy line."
	adviceCA        = "Import the certificate that the directory line of profile acme names after ca."
	adviceAccount   = "Check contact and external-account in profile acme."
	adviceOrder     = "Check the names in profile acme, and the CAA records of the domain."
	adviceDNS       = "Set the TXT record that `show acme` prints."
	adviceHTTP      = "Port 80 of the box must be reachable from the internet under each name: check address records, port forwarding, profile acl."
	adviceTLS       = "Port 443 of the box must be reachable from the internet under each name: check address records, port forwarding, profile acl."
	adviceHeld      = "The authority limits orders: wait."
	adviceUnusable  = "Check the names in profile acme, and its directory."
	adviceStore     = "`show alarms` and `show version` say how the flash is."
	adviceRefused   = "Ask the authority whether Microsoft trusts it, and compare the names with the name of the SBC in the Teams admin center."
)

// failed makes a failure. Text of the authority is made printable: it goes into logs and alarms.
func failed(advice string, err error) error {
	var p lib.Problem
	whole := err.Error()
	if errors.As(err, &p) {
		text := p.Detail
		for _, s := range p.Subproblems {
			text += "; " + s.Detail
		}
		if p.Type == lib.ProblemTypeRateLimited {
			advice = adviceHeld
		}
		said := fmt.Sprintf("the authority says: %s (%s)", text, strings.TrimPrefix(p.Type, "urn:ietf:params:acme:error:"))
		whole = strings.ReplaceAll(whole, p.Error(), said)
	}
	return &failure{err: errors.New(printable.Short(whole, 500)), advice: advice}
}
