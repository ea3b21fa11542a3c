package sipgw

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
)

// What is known of a peer's health beside its answers to our OPTIONS (probe.go): it said how long to leave it alone, it did not
// answer a call at all, or it no longer registers us. Calls to it are refused at once then, so that Teams goes to its next trunk
// after milliseconds and not after its ten seconds (teams.md A.37, B.11).

const (
	holdSilent = 30 * time.Second // a peer that nobody probes and that did not answer an INVITE within 64*T1
	failingFor = time.Minute      // an address that did not answer is tried after the others of its name
)

var errHeld = errors.New("the peer has asked not to be called, or did not answer the last call")

// holds are the SIP interfaces that calls keep away from for a time.
type holds struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (h *holds) set(iface string, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil {
		h.until = map[string]time.Time{}
	}
	if until := time.Now().Add(d); until.After(h.until[iface]) {
		h.until[iface] = until
	}
}

// left is how much longer the interface is held; 0: it is not.
func (h *holds) left(iface string) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.until[iface]
	if !ok {
		return 0
	}
	d := time.Until(until)
	if d <= 0 {
		delete(h.until, iface)
		return 0
	}
	return d
}

// Available tells whether calls may go out by a SIP interface: false while it is in the penalty box, while its peer wants to be left
// alone, and while that peer is a registrar that registers none of our identities any more. A peer that has not been heard of yet,
// or that nobody watches, is available.
func (s *Stack) Available(iface string) bool {
	if s.probes.boxed(iface) || s.holds.left(iface) > 0 {
		return false
	}
	i, g := s.sipInterface(iface)
	return i == nil || g == nil || !s.registrations.gone(g, i.Remote.Host)
}

// overloaded is a 503 to a call: that connection ends after its transactions, and for the time of Retry-After the peer gets no
// call (teams.md A.30).
func (l *Leg) overloaded(out *outbound, f Failed) {
	if s, ok := out.tx.way.(*stream); ok && !s.accepted {
		s.retire()
	}
	if f.RetryAfter > 0 {
		l.stack.holds.set(l.iface.Name, min(f.RetryAfter, holdMost))
		l.log.Warn("peer wants no calls", "gw", l.g.name, "if", l.iface.Name, "code", f.Code, "duration", f.RetryAfter)
	}
	l.stack.suspect(l.iface.Name)
}

// silent is an INVITE without any answer in all its time.
func (l *Leg) silent() {
	if !l.stack.probes.watches(l.iface.Name) {
		l.stack.holds.set(l.iface.Name, holdSilent)
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
		if st := r.snapshot(); st.State == "failed" {
			return &TransportError{Op: "call", Peer: st.Registrar, Err: errors.New("identity " + identity + " is not registered: " + st.Err.Error())}
		}
	}
	return nil
}

// gone reports whether a registrar is known to be away: some identity registers with it, and all that do are refused, or get no
// answer although their time is not over yet.
func (set *registrations) gone(g *gateway, host string) bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	any := false
	for _, r := range set.running {
		if r.spec.gateway != g.name || !strings.EqualFold(r.spec.to.host, host) {
			continue
		}
		any = true
		if st := r.snapshot(); st.State != "failed" && (st.Err == nil || st.Code != 0) {
			return false
		}
	}
	return any
}

// failed notes that an address does not answer.
func (g *gateway) failed(a netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failing[a] = time.Now().Add(failingFor)
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
