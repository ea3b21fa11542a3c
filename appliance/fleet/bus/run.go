package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
	"viaduct/appliance/natswire"
	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

const (
	attemptTime  = 20 * time.Second // for one node
	firstPause   = time.Second
	lastPause    = 5 * time.Minute
	refusedPause = 15 * time.Second // after a second refusal,
	refusedTries = 40               // and after so many, seven minutes or so: whoever hands the key over meanwhile need not wait for long
	steady       = 30 * time.Second // a connection that has lasted for so long works
	deafTime     = time.Minute      // without an answer, and another node is asked
)

// pause is how long to wait after an attempt has failed, the tries-th in a row from 0 on. Half of it is up to chance, so that a hub that comes back does
// not meet all its boxes at once. One refusal may mean nothing: a node that takes new users just then refuses whoever has not said yet who he is, and one
// that has been away does not know the newest boxes yet.
func pause(tries int, refused bool) time.Duration {
	d := firstPause
	if refused && tries > 0 {
		d = refusedPause
		tries = max(0, tries-refusedTries)
	}
	d = min(d<<min(tries, 10), lastPause)
	return d/2 + rand.N(d/2)
}

// Run connects, and connects again, until ctx ends.
func (b *Bus) Run(ctx context.Context) error {
	var (
		tries int
		lost  string // node whose connection has ended: another one is asked first
		news  news
	)
	for ctx.Err() == nil {
		s, attempt := b.begin(ctx)
		if !s.on() {
			b.set(State{State: status.FleetOff})
			tries, lost, news = 0, "", ""
			b.wait(ctx, nil)
			continue
		}
		b.trying(tries > 0)
		session, err := b.connect(attempt, &s, lost)
		if err == nil {
			since := time.Now()
			b.tell(&news, newsConnected, session.node)
			err = b.serve(attempt, session)
			lost = session.node
			if time.Since(since) >= steady {
				tries = 0
			}
			err = &nodeError{lost, err}
		}
		if attempt.Err() != nil { // the end, or other settings
			tries, lost = 0, ""
			continue
		}
		refused := errors.Is(err, errRefused) || errors.Is(err, errName)
		state, what := status.FleetWaiting, newsLost
		if refused {
			state, what = status.FleetRefused, newsRefused
		}
		d, once := pause(tries, refused), refused && tries == 0
		tries++
		why, cure := explain(err, &s)
		b.tell(&news, what, why)
		b.set(State{State: state, Why: why, Cure: cure, Next: time.Now().Add(d), once: once})
		timer := time.NewTimer(d)
		if b.wait(ctx, timer.C) {
			tries = 0
		}
		timer.Stop()
	}
	b.set(State{State: status.FleetOff})
	return nil
}

// trying says that an attempt is made. A box that was refused stays so until one succeeds: its alarm is no news each time.
func (b *Bus) trying(again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := State{State: status.FleetConnecting}
	if again && b.state.State == status.FleetRefused {
		s = b.state
		s.Next = time.Time{}
	}
	b.setLocked(s)
}

// begin is what an attempt goes by: the settings, and a context that ends when there are others.
func (b *Bus) begin(ctx context.Context) (Settings, context.Context) {
	select {
	case <-b.nudge: // for what has been
	default:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancel(errSettings) // the one before is over
	ctx, b.cancel = context.WithCancelCause(ctx)
	return b.settings, ctx
}

// wait waits for a time, for a nudge, which it reports, or for the end.
func (b *Bus) wait(ctx context.Context, until <-chan time.Time) (nudged bool) {
	select {
	case <-until:
	case <-b.nudge:
		return true
	case <-ctx.Done():
	}
	return false
}

// connect asks the nodes, each once, until one takes us.
func (b *Bus) connect(ctx context.Context, s *Settings, lost string) (*session, error) {
	nodes := slices.Clone(s.Hubs)
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	slices.SortStableFunc(nodes, func(a, b *config.HubNode) int { return cmp.Compare(btoi(address(a) == lost), btoi(address(b) == lost)) })
	var worst error
	for _, n := range nodes {
		session, err := b.try(ctx, s, n)
		if err == nil || ctx.Err() != nil {
			return session, err
		}
		if err = (&nodeError{address(n), err}); worst == nil || gravity(err) > gravity(worst) {
			worst = err
		}
	}
	return nil, worst
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func address(n *config.HubNode) string { return net.JoinHostPort(n.Host, strconv.Itoa(int(n.Port))) }

// gravity orders what several nodes have to say: the one that somebody must do something about is shown.
func gravity(err error) int {
	fault, _ := egress.Explain(err)
	var pin *pinError
	switch {
	case errors.Is(err, errRefused), errors.Is(err, errName):
		return 3
	case errors.As(err, &pin), fault == egress.Untrusted, fault == egress.Expired:
		return 2
	case fault == egress.ProxyLogin, fault == egress.ProxyRefuses:
		return 1
	}
	return 0
}

// nodeError is what is wrong with a node.
type nodeError struct {
	node string
	err  error
}

func (e *nodeError) Error() string { return e.node + ": " + e.err.Error() }
func (e *nodeError) Unwrap() error { return e.err }

// try makes a connection to a node.
func (b *Bus) try(ctx context.Context, s *Settings, n *config.HubNode) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	w, err := b.dial(ctx, s, n)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { w.Close() })
	session, err := newSession(w, address(n), s)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		w.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return session, nil
}

// serve is connected while a session lasts.
func (b *Bus) serve(ctx context.Context, session *session) error {
	b.mu.Lock()
	for _, number := range slices.Sorted(maps.Keys(b.listens)) {
		session.subscribe(b.listens[number])
	}
	b.session = session
	b.turn()
	b.setLocked(State{State: status.FleetConnected, Hub: session.node})
	b.mu.Unlock()
	err := session.run(ctx, b.deliver)
	b.mu.Lock()
	b.session = nil
	b.turn()
	b.setLocked(State{State: status.FleetConnecting})
	b.mu.Unlock()
	return err
}

// turn tells that connected has changed. The lock is held.
func (b *Bus) turn() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// set says how the connection stands.
func (b *Bus) set(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setLocked(s)
}

func (b *Bus) setLocked(s State) {
	s.Since = time.Now()
	up, off := status.FleetConnected, status.FleetOff
	if (s.State == up) == (b.state.State == up) && (s.State == off) == (b.state.State == off) { // attempts are no news
		s.Since = b.state.Since
	}
	if s.State == status.FleetConnecting { // what went wrong before is still what is known
		s.Why, s.Cure = b.state.Why, b.state.Cure
	}
	b.state = s
	close(b.stated)
	b.stated = make(chan struct{})
}

// news is what the log has last been told of the hub; only another thing is news.
type news string

const (
	newsConnected news = "connected"
	newsLost      news = "lost"
	newsRefused   news = "refused"
)

// tell logs a change: about is the node that it is connected to, or why it is not.
func (b *Bus) tell(last *news, now news, about string) {
	before := *last
	if before == now {
		return
	}
	*last = now
	switch {
	case now == newsConnected && before != "":
		b.o.Log.Info("the hub is back", "hub", about)
	case now == newsConnected:
		b.o.Log.Info("connected to the hub", "hub", about)
	case now == newsRefused:
		b.o.Log.Warn("the hub refuses the box", "why", about)
	case before == newsConnected:
		b.o.Log.Warn("the hub is lost", "why", about)
	default:
		b.o.Log.Warn("the hub is not reached", "why", about)
	}
}

// explain says why there is no connection, and what can be done about it.
func explain(err error, s *Settings) (why, cure string) {
	node, inner := "", err
	var at *nodeError
	if errors.As(err, &at) {
		node, inner = at.node, at.err
	}
	var (
		pin    *pinError
		answer *answerError
	)
	switch {
	case errors.Is(err, errRefused):
		return fmt.Sprintf("%s does not know the key, or has revoked it", node), cureRefused
	case errors.Is(err, errName):
		return fmt.Sprintf("%s knows the key by another name than %s", node, s.Name), cureName
	case errors.As(err, &pin):
		if s.Proxy.Host != "" {
			return node + ": " + pin.Error(), curePinProxy
		}
		return node + ": " + pin.Error(), curePin
	case errors.As(err, &answer), errors.Is(err, natswire.ErrGarbled):
		return node + ": " + inner.Error(), cureNoHub
	case errors.Is(err, io.EOF):
		return node + ": " + errEnded.Error(), ""
	case errors.Is(err, errSlow):
		return node + ": " + errSlow.Error(), cureRoute
	case errors.Is(err, errSilent), errors.Is(err, errEnded):
		return node + ": " + inner.Error(), ""
	case errors.Is(err, context.DeadlineExceeded):
		return node + ": no answer in time", cureRoute
	}
	fault, text := egress.Explain(inner)
	var failed *net.OpError
	if fault == egress.Away && errors.As(inner, &failed) { // the address stands before it already
		text = printable.Text(failed.Err.Error())
	}
	if fault == egress.Broken && errors.Unwrap(inner) == nil { // in our words
		text = inner.Error()
	}
	return node + ": " + text, faultCures[fault]
}

const (
	cureRefused  = "Give the hub the key: `show fleet key` prints it, `hub box add` takes it, or `hub box key` that of a box which it has already. One that was revoked is not taken again: `fleet key generate` makes another."
	cureName     = "`name` must be the name that the hub has for this box: `hub box list` tells it. Or give the hub the key file of this box again."
	curePin      = "Compare `pin` with the pin that `hub show` prints at the hub. Where it is another one although nobody has given the hub a new key, find out who answers in its place."
	curePinProxy = "A proxy that inspects TLS shows certificates of its own, which no pin fits: have it let the hub through unread, or use `ca` in place of `pin`, and name the proxy's CA in `http-proxy`. Without such a proxy compare `pin` with the pin that `hub show` prints."
	cureNoHub    = "Check host and port of `hub`: something else answers there."
	cureRoute    = "The hub must be reached at that TCP port: check routes, the firewall before the box, and `http-proxy`."
	cureProxy    = "Check host and port of `http-proxy`, and that the proxy lets the box connect to the hub at that port."
)

var faultCures = map[egress.Fault]string{
	egress.ProxyRefuses: cureProxy, egress.ProxyAway: cureProxy, egress.NoTLS: cureNoHub, egress.Broken: cureNoHub, egress.Away: cureRoute, egress.Slow: cureRoute,
	egress.ProxyLogin: "Check `username` and `password` of `http-proxy`. The proxy must offer Basic.",
	egress.Untrusted:  "Check that `ca` is the issuer of the hub's certificate, and `hub` a name in it. Where a proxy inspects TLS, name its CA in `http-proxy`.",
	egress.Expired:    "Check the time with `show clock`, and the hub's certificate.",
	egress.NoName:     "Check `hub` and the name servers.",
}
