// Package names turns host names into addresses for the box: a stub resolver with a cache.
//
// It asks the name servers of the configuration itself, because the box has no resolv.conf, because calls must not wait for
// DNS, and because an SBC needs every address of a name with its TTL. It owns the cache and the queries under way. It does
// not own the list of servers (it is given a function that returns the present one), search lists, or IPv6 addresses of
// names: Teams and the PBX are reached over IPv4.
//
// A Resolver is safe for concurrent use. One mutex guards the cache; it is never held over I/O. Each name has at most one
// query under way, in a goroutine of its own that ends within queryTime; all callers that want the name wait for that one.
// Close ends them and waits for them.
package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// How long things are kept. Variables of time are `time`, so tests run in a testing/synctest bubble.
const (
	minTTL       = time.Second
	maxTTL       = time.Hour
	maxStale     = 24 * time.Hour         // an answer this long expired is better than none (RFC 8767); then it is forgotten
	staleWait    = 500 * time.Millisecond // how long a caller waits for a fresh answer when there is a stale one (RFC 8767 section 5)
	staleRetry   = 10 * time.Second       // servers failed, stale answer at hand: ask again after
	failureRetry = time.Second            // servers failed, nothing at hand: ask again after
	maxNegative  = 10 * time.Second       // a name that does not exist is believed no longer: the administrator may just be adding it
	maxEntries   = 1024
)

var (
	// ErrNotFound says that the name does not exist or has no record of the wanted type.
	ErrNotFound = errors.New("no such name")
	// ErrNoServers says that the configuration has no name server.
	ErrNoServers = errors.New("no name server configured")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("resolver is closed")
)

// Resolver answers questions from its cache and from the servers. Make one with New.
type Resolver struct {
	servers  func() []netip.AddrPort
	exchange func(context.Context, question) (answer, error) // asks the servers; tests put their own here

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	cache  map[question]*entry
	failed map[netip.AddrPort]time.Time // servers that did not answer, asked last until then
	closed bool

	silence    func(text string) // see OnSilence; may be nil
	quietSince time.Time         // no server has answered since; zero: one has
	quiet      bool              // silence has been called
}

// question is one question; the name is lower case without a final dot.
type question struct {
	name string
	typ  dnsmessage.Type
}

// answer is the answer to a question.
type answer struct {
	addrs []netip.Addr
	srvs  []net.SRV
	texts []string // of TXT records
	caas  []Authorization
	ttl   time.Duration
}

// records counts what was asked for.
func (a answer) records() int { return len(a.addrs) + len(a.srvs) + len(a.texts) + len(a.caas) }

// entry is one question in the cache.
type entry struct {
	answer
	good    bool      // answer is valid, though perhaps expired
	refresh time.Time // good: from then on it is asked for again in the background
	expires time.Time // good: until then it is fresh
	err     error     // of the last query
	retry   time.Time // after err: not asked again before
	used    time.Time
	flight  chan struct{} // closed when the query under way has ended; nil when there is none
	anew    func()        // begins the query under way anew
}

// New returns a resolver that asks the servers that the function returns at that moment, in their order of preference.
// The function must not block.
func New(servers func() []netip.AddrPort) *Resolver {
	r := &Resolver{servers: servers, cache: map[question]*entry{}, failed: map[netip.AddrPort]time.Time{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.exchange = r.ask
	return r
}

// Close ends the queries under way and waits for them. Later look-ups of names outside the cache fail with ErrClosed.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
}

// Retry forgets that servers did not answer: the network came up, so the next question is asked at once, and pending questions are asked
// anew. Answers stay.
func (r *Resolver) Retry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.failed)
	for _, e := range r.cache {
		if !errors.Is(e.err, ErrNotFound) {
			e.retry = time.Time{}
		}
		if e.flight != nil {
			e.anew()
		}
	}
}

// Lookup returns the IPv4 addresses of a host, all of them, in the server's order. A literal address is returned as it is,
// with or without brackets. When the servers fail, the last answer is served for a day. The error wraps ErrNotFound,
// ErrNoServers, ErrClosed, the context's error, or says what the servers did.
func (r *Resolver) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, ok := literal(host); ok {
		return []netip.Addr{a}, nil
	}
	a, err := r.lookup(ctx, addressesOf(host))
	if err != nil {
		return nil, lookUp(host, err)
	}
	return slices.Clone(a.addrs), nil
}

// lookUp names the host in an error. Who asks need not do it again.
func lookUp(host string, err error) error { return fmt.Errorf("look up %s: %w", host, err) }

func addressesOf(host string) question { return question{canonical(host), dnsmessage.TypeA} }

// LookupSRV returns the records of _service._proto.name in the order in which they are to be tried: by priority, within one
// priority at random by weight (RFC 2782). Errors are those of Lookup.
func (r *Resolver) LookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
	full := "_" + service + "._" + proto + "." + name
	a, err := r.lookup(ctx, question{canonical(full), dnsmessage.TypeSRV})
	if err != nil {
		return nil, fmt.Errorf("look up SRV %s: %w", full, err)
	}
	return ordered(a.srvs), nil
}

// LookupTXT returns the TXT records of a name, each as one text. Errors are those of Lookup.
func (r *Resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	a, err := r.lookup(ctx, question{canonical(name), dnsmessage.TypeTXT})
	if err != nil {
		return nil, fmt.Errorf("look up TXT %s: %w", name, err)
	}
	return slices.Clone(a.texts), nil
}

// Cached returns the addresses of a host that are known at this moment, fresh or not, and never blocks. What is missing or
// due is asked for in the background, so a later call knows it.
func (r *Resolver) Cached(host string) []netip.Addr {
	if a, ok := literal(host); ok {
		return []netip.Addr{a}
	}
	q := addressesOf(host)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	e := r.entry(q, now)
	if e.due(now) {
		r.start(q, e)
	}
	if !e.usable(now) {
		return nil
	}
	return slices.Clone(e.addrs)
}

// lookup answers from the cache, else waits for the servers.
func (r *Resolver) lookup(ctx context.Context, q question) (answer, error) {
	r.mu.Lock()
	now := time.Now()
	e := r.entry(q, now)
	if e.due(now) {
		r.start(q, e)
	}
	switch {
	case e.fresh(now):
		defer r.mu.Unlock()
		return e.answer, nil
	case e.flight == nil: // not due: the last query failed just now
		defer r.mu.Unlock()
		return e.result(now)
	}
	flight, patience := e.flight, (<-chan time.Time)(nil)
	if e.usable(now) {
		t := time.NewTimer(staleWait)
		defer t.Stop()
		patience = t.C
	}
	r.mu.Unlock()

	var gaveUp error
	select {
	case <-flight:
	case <-patience:
	case <-ctx.Done():
		gaveUp = context.Cause(ctx)
	}
	var silent error
	if errors.Is(gaveUp, context.DeadlineExceeded) {
		silent = &SilentError{r.servers(), gaveUp} // without our lock: the network tells servers under its own, and asks Cached under it, too
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	now = time.Now()
	switch {
	case gaveUp == nil || e.usable(now):
	case e.err != nil:
		return answer{}, e.err // of the question before: it says more
	case silent != nil:
		return answer{}, silent
	default:
		return answer{}, gaveUp
	}
	return e.result(now)
}

// entry finds or makes the entry of a question. The mutex is held.
func (r *Resolver) entry(q question, now time.Time) *entry {
	e := r.cache[q]
	if e == nil {
		if len(r.cache) >= maxEntries {
			r.evict()
		}
		e = &entry{}
		r.cache[q] = e
	}
	e.used = now
	return e
}

// evict forgets the entry that was not used for the longest time. Names come from the configuration and from trusted peers'
// Route headers, so it is rarely needed and may look at all of them. The mutex is held.
func (r *Resolver) evict() {
	var oldest question
	var when time.Time
	for q, e := range r.cache {
		if e.flight == nil && (when.IsZero() || e.used.Before(when)) {
			oldest, when = q, e.used
		}
	}
	delete(r.cache, oldest)
}

// start asks the servers in the background, once a name. The mutex is held.
func (r *Resolver) start(q question, e *entry) {
	if e.flight != nil {
		return
	}
	if r.closed {
		e.err = ErrClosed
		return
	}
	flight := make(chan struct{})
	ctx, cancel := context.WithCancel(r.ctx)
	e.flight, e.anew = flight, cancel
	r.wg.Go(func() {
		for {
			a, err := r.exchange(ctx, q)
			cancelled := ctx.Err() != nil
			cancel()
			r.mu.Lock()
			if err != nil && cancelled && !r.closed {
				ctx, cancel = context.WithCancel(r.ctx)
				e.anew = cancel
				r.mu.Unlock()
				continue
			}
			e.set(a, err, time.Now())
			r.heard(err, time.Now())
			e.flight, e.anew = nil, nil
			close(flight)
			r.mu.Unlock()
			return
		}
	})
}

// set takes the outcome of a query over. That a name does not exist is an answer and ends an older one; that the servers
// fail is not.
func (e *entry) set(a answer, err error, now time.Time) {
	e.err = err
	switch {
	case err == nil:
		a.ttl = min(max(a.ttl, minTTL), maxTTL)
		e.answer, e.good = a, true
		e.refresh, e.expires = now.Add(a.ttl*3/4), now.Add(a.ttl)
	case errors.Is(err, ErrNotFound):
		e.answer, e.good = answer{}, false
		e.retry = now.Add(min(max(a.ttl, minTTL), maxNegative))
	case e.usable(now):
		e.retry = now.Add(staleRetry)
	default:
		e.retry = now.Add(failureRetry)
	}
}

// fresh reports whether the answer is within its TTL.
func (e *entry) fresh(now time.Time) bool { return e.good && now.Before(e.expires) }

// usable reports whether the answer may be served when there is no better one.
func (e *entry) usable(now time.Time) bool { return e.good && now.Before(e.expires.Add(maxStale)) }

// due reports whether the servers should be asked.
func (e *entry) due(now time.Time) bool {
	if e.flight != nil || e.err != nil && now.Before(e.retry) {
		return false
	}
	return !e.good || !now.Before(e.refresh)
}

// result returns the answer for a caller that does not wait any longer.
func (e *entry) result(now time.Time) (answer, error) {
	if e.usable(now) {
		return e.answer, nil
	}
	if e.err == nil {
		return answer{}, context.DeadlineExceeded
	}
	return answer{}, e.err
}

// literal reads an address, with or without the brackets of a SIP host part.
func literal(host string) (netip.Addr, bool) {
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	if n := len(host); n == 0 || !strings.Contains(host, ":") && (host[n-1] < '0' || host[n-1] > '9') {
		return netip.Addr{}, false // a name: the error that says so would cost more than all else here
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap(), err == nil
}

// canonical is the form in which names are compared: DNS knows no case, and every name here is fully qualified.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
