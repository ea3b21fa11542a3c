package names

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"
)

// SilentError says that no name server has answered a question at all. Others need not log it: OnSilence tells of it once.
type SilentError struct {
	servers []netip.AddrPort
	err     error // why none could be asked, or the context's; may be nil
}

func (e *SilentError) Error() string {
	text := "none of the name servers " + listed(e.servers) + " answers"
	if len(e.servers) == 1 {
		text = "the name server " + listed(e.servers) + " does not answer"
	}
	if e.err != nil && !errors.Is(e.err, context.DeadlineExceeded) && !errors.Is(e.err, context.Canceled) {
		text += ": " + e.err.Error()
	}
	return text
}

func (e *SilentError) Unwrap() error { return e.err }

// Silent marks the error for packages that do not know this one.
func (e *SilentError) Silent() bool { return true }

func listed(servers []netip.AddrPort) string {
	words := make([]string, len(servers))
	for i, s := range servers {
		if words[i] = s.Addr().String(); s.Port() != 53 {
			words[i] = s.String()
		}
	}
	return strings.Join(words, ", ")
}

// unanswered is the error of a question that no server has answered: the first refusal, if there is one. down has the reasons, without the
// parts that differ from question to question.
func unanswered(servers []netip.AddrPort, down map[netip.AddrPort]error) error {
	silent := &SilentError{servers: servers}
	for _, s := range servers {
		err := down[s]
		var operation *net.OpError
		switch {
		case err == nil:
		case errors.As(err, &operation):
			if silent.err == nil {
				silent.err = operation.Err // its text has our port in it, which is another one each time
			}
		default:
			return err
		}
	}
	return silent
}

// longSilence is the time without an answer before OnSilence is called: a box that starts asks before its network is up.
const longSilence = 10 * time.Second

// OnSilence registers f, which is called with a sentence when the servers have been silent for a while, and with "" when one answers again.
// Call it before the first question; f must not block.
func (r *Resolver) OnSilence(f func(text string)) { r.silence = f }

// heard takes the outcome of a question over. The mutex is held.
func (r *Resolver) heard(err error, now time.Time) {
	var silent *SilentError
	switch {
	case errors.Is(err, ErrClosed):
	case !errors.As(err, &silent): // an answer, or no server is configured any more
		r.quietSince = time.Time{}
		if r.quiet {
			r.quiet = false
			r.silence("")
		}
	case r.quietSince.IsZero():
		r.quietSince = now
	case !r.quiet && r.silence != nil && now.Sub(r.quietSince) >= longSilence:
		r.quiet = true
		r.silence(silent.Error() + ": names are known from earlier answers only, for a day")
	}
}

// Answer is the present answer of the servers about a host.
type Answer struct {
	Addrs []netip.Addr
	TTL   time.Duration
}

// Ask asks the servers for the addresses of a host now, even when the cache has them. The cache takes the answer. Errors are those of
// Lookup.
func (r *Resolver) Ask(ctx context.Context, host string) (Answer, error) {
	if a, ok := literal(host); ok {
		return Answer{Addrs: []netip.Addr{a}}, nil
	}
	q := addressesOf(host)
	a, err := r.exchange(ctx, q)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.heard(err, now)
	if e := r.entry(q, now); e.flight == nil && !r.closed {
		e.set(a, err, now)
	}
	if err != nil {
		return Answer{}, lookUp(host, err)
	}
	return Answer{a.addrs, a.ttl}, nil
}
