package sipgw

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// What is known of a peer's health beside its answers to our OPTIONS (probe.go): it said how long to leave it alone, it did not
// answer a call at all, or it no longer registers us. Calls to it are refused at once then, so that Teams goes to its next trunk
// after milliseconds and not after its ten seconds (teams.md A.37, B.11).

const (
	holdSilent = 30 * time.Second // a peer that nobody probes and that did not answer an INVITE within 64*T1
	failingFor = time.Minute      // an address that did not answer is tried after the others of its name
)

// holds are the SIP interfaces that calls keep away from for a time.
type holds struct {
	mu    sync.Mutex
	held  map[string]hold
	heard map[string]time.Time // when the peer answered a call last
}

type hold struct {
	until time.Time
	why   string // "has answered a call with 503"
}

func (h *holds) set(iface string, d time.Duration, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held = map[string]hold{}
	}
	if until := time.Now().Add(d); until.After(h.held[iface].until) {
		h.held[iface] = hold{until, why}
	}
}

// answers notes that the peer of an interface has answered a call.
func (h *holds) answers(iface string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.heard == nil {
		h.heard = map[string]time.Time{}
	}
	h.heard[iface] = time.Now()
}

func (h *holds) heardSince(iface string, t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard[iface].After(t)
}

// why says why the interface is held, and for how much longer; "" when it is not.
func (h *holds) why(iface string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	x, ok := h.held[iface]
	if !ok {
		return ""
	}
	left := time.Until(x.until)
	if left <= 0 {
		delete(h.held, iface)
		return ""
	}
	return x.why + ", left alone for another " + max(time.Second, left.Round(time.Second)).String()
}

// Available tells whether calls may go out by a SIP interface.
func (s *Stack) Available(iface string) bool { return s.Unavailable(iface) == "" }

// Unavailable says what keeps calls away from a SIP interface, as the end of a sentence about its peer: it is in the penalty box, wants
// to be left alone, was silent, or is a registrar that registers none of our identities any more. It is "" for a peer that has not
// been heard of yet, or that nobody watches.
func (s *Stack) Unavailable(iface string) string {
	if why := s.probes.why(iface); why != "" {
		return why
	}
	if why := s.holds.why(iface); why != "" {
		return why
	}
	if i, g := s.sipInterface(iface); i != nil && g != nil {
		return s.registrations.lost(g, i.Remote.Host)
	}
	return ""
}

// overloaded is a 503 to a call: that connection ends after its transactions, and for the time of Retry-After the peer gets no
// call (teams.md A.30).
func (l *Leg) overloaded(out *outbound, f Failed) {
	if s, ok := out.tx.way.(*stream); ok && !s.accepted {
		s.retire()
	}
	if f.RetryAfter > 0 {
		l.stack.holds.set(l.iface.Name, min(f.RetryAfter, holdMost), "has answered a call with 503")
		l.log.Warn("peer wants no calls", "gw", l.g.name, "if", l.iface.Name, "code", f.Code, "duration", f.RetryAfter)
	}
	l.stack.suspect(l.iface.Name)
}

// silent is an INVITE without any answer in all its time. Where others were answered meanwhile a network has lost this one.
func (l *Leg) silent() {
	if l.stack.holds.heardSince(l.iface.Name, l.began) {
		return
	}
	if !l.stack.probes.watches(l.iface.Name) {
		l.stack.holds.set(l.iface.Name, holdSilent, "did not answer the last call")
	}
	l.stack.suspect(l.iface.Name)
}

// unregistered says why calls of an identity cannot go to a peer: it is registered there, and the registration is lost.
func (g *gateway) unregistered(i *config.SIPInterface, identity string) error {
	set := &g.stack.registrations
	set.mu.Lock()
	defer set.mu.Unlock()
	for _, ref := range g.conf.Load().gw.Location {
		r := set.running[registrationSpec{gateway: g.name, service: ref.Name, identity: identity}.key()]
		if r == nil || !strings.EqualFold(r.spec.to.host, i.Remote.Host) {
			continue
		}
		if st := r.snapshot(); st.State == status.RegistrationFailed {
			return &TransportError{Op: "call", Peer: st.Registrar, Err: errors.New("identity " + identity + " is not registered: " + st.Error)}
		}
	}
	return nil
}

// lost says that a registrar is known to be away, with what it said to one of us: some identity registers with it, and all that do are
// refused, or get no answer although their time is not over yet. It is "" when the registrar is not away.
func (set *registrations) lost(g *gateway, host string) (why string) {
	set.mu.Lock()
	defer set.mu.Unlock()
	for _, r := range set.running {
		if r.spec.gateway != g.name || !strings.EqualFold(r.spec.to.host, host) {
			continue
		}
		st := r.snapshot()
		if st.State != status.RegistrationFailed && (st.Error == "" || st.Code != 0) {
			return ""
		}
		why = "registers none of our identities: " + st.Error
	}
	return why
}

// failed notes that an address does not answer.
func (g *gateway) failed(a netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	keep(g.failing, a, time.Now().Add(failingFor), func(t time.Time) time.Time { return t })
}

// prefer puts addresses that did not answer lately behind the others; the mutex is held.
func (g *gateway) prefer(list []netip.AddrPort) []netip.AddrPort {
	if len(g.failing) == 0 {
		return list
	}
	now := time.Now()
	for a, until := range g.failing {
		if now.After(until) {
			delete(g.failing, a)
		}
	}
	bad := func(a netip.AddrPort) int {
		if _, ok := g.failing[a]; ok {
			return 1
		}
		return 0
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b netip.AddrPort) int { return bad(a) - bad(b) })
	return list
}
