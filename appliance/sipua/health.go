package sipua

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// A peer's health is more than its answers to our OPTIONS (probe.go). It may have told us how long to leave it alone, it may not have
// answered a call at all, or it may no longer register us. Calls to it are refused at once then, so that Teams goes to its next trunk
// after milliseconds and not after its ten seconds (teams.md A.37, B.11).

const (
	holdSilent = 30 * time.Second // a peer without a probe that did not answer an INVITE within 64*T1
)

// holds are the SIP interfaces that calls keep away from for a time.
type holds struct {
	mu   sync.Mutex
	held map[config.InterfaceID]hold
	last map[config.InterfaceID]time.Time // when the peer responded to a call
}

type hold struct {
	until time.Time
	why   string // "has answered a call with 503"
}

func (h *holds) set(iface config.InterfaceID, d time.Duration, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held = map[config.InterfaceID]hold{}
	}
	if until := time.Now().Add(d); until.After(h.held[iface].until) {
		h.held[iface] = hold{until, why}
	}
}

// responded notes that the peer of an interface has responded to a call.
func (h *holds) responded(iface config.InterfaceID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		h.last = map[config.InterfaceID]time.Time{}
	}
	h.last[iface] = time.Now()
}

func (h *holds) respondedSince(iface config.InterfaceID, t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last[iface].After(t)
}

// lastResponse is when the peer of an interface last responded to a call; zero: not since the start.
func (h *holds) lastResponse(iface config.InterfaceID) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last[iface]
}

// release forgets why an interface is held, and returns how many were. The zero InterfaceID is all of them.
func (h *holds) release(iface config.InterfaceID) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.held {
		if iface == (config.InterfaceID{}) || id == iface {
			delete(h.held, id)
			n++
		}
	}
	return n
}

// Release takes the peer of an interface, or every peer for the zero InterfaceID, out of the penalty box and ends the time for which calls
// stay away. It returns how many it has released. Each is probed at once: one that still does not answer goes back.
func (a *Agent) Release(iface config.InterfaceID) int {
	n := a.holds.release(iface)
	for _, p := range a.probes.Workers() {
		if iface == (config.InterfaceID{}) || p.spec.iface == iface {
			n += p.release()
		}
	}
	a.probeNow(iface)
	return n
}

// reason says why the interface is held, and for how much longer; "" when it is not.
func (h *holds) reason(iface config.InterfaceID) string {
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

// Unavailable says what keeps calls away from a SIP interface, as the end of a sentence about its peer: it is in the penalty box, wants
// to be left alone, was silent, or is a registrar that registers none of our identities any more. It is "" for a peer that has not
// been heard of yet, or that is not watched.
func (a *Agent) Unavailable(iface config.InterfaceID) string {
	if why := a.boxed(iface); why != "" {
		return why
	}
	if why := a.holds.reason(iface); why != "" {
		return why
	}
	if i := a.sipInterface(iface); i != nil {
		return a.deregistered(i)
	}
	return ""
}

// boxed says why a SIP interface is in the penalty box, "" when it is not.
func (a *Agent) boxed(iface config.InterfaceID) string {
	p, ok := a.probes.Find(probeKey(iface))
	if !ok {
		return ""
	}
	switch st := p.Snapshot(); {
	case st.State != status.PeerDown:
		return ""
	case st.Code != 0:
		return "answers OPTIONS with " + st.Answer
	default:
		return "does not answer OPTIONS: " + st.Answer
	}
}

// deregistered says that a registrar is known to be away, with what it said to one of us: some identity registers with it, and all that
// do are refused, or get no answer although their time is not over yet. It is "" when the registrar is not away.
func (a *Agent) deregistered(i *config.SIPInterface) (why string) {
	why, _ = a.registrar(i)
	return why
}

// registrar says why the peer of an interface is away as a registrar, see deregistered. It is not known while no identity has got an answer,
// or when none registers there.
func (a *Agent) registrar(i *config.SIPInterface) (why string, known bool) {
	begins := false
	for _, r := range a.registrations.Workers() {
		if r.spec.gateway != i.Gateway.Name || !strings.EqualFold(r.spec.to.Host, i.Remote.Host) {
			continue
		}
		switch st := r.Snapshot(); {
		case st.State == status.RegistrationFailed, st.Error != "" && st.Code == 0:
			why = "registers none of our identities: " + st.Error
		case st.State == status.Registered:
			return "", true
		default:
			begins = true
		}
	}
	if begins {
		return "", false
	}
	return why, why != ""
}

// Gone says why the peer of a SIP interface is gone, as the end of a sentence about it: its probe says so, or it registers none of our
// identities any more. It is not known while neither has told anything, and never for a peer with neither a penalty-box nor identities. That
// calls stay away for a while, as after a 503 with Retry-After, is no sign.
func (a *Agent) Gone(iface config.InterfaceID) (why string, known bool) {
	if p, ok := a.probes.Find(probeKey(iface)); ok {
		known = p.Snapshot().State != status.PeerUnknown
	}
	if why = a.boxed(iface); why != "" {
		return why, true
	}
	i := a.sipInterface(iface)
	if i == nil {
		return "", false
	}
	why, registers := a.registrar(i)
	return why, known || registers
}

// sipInterface returns a SIP interface; nil: there is none with this name.
func (a *Agent) sipInterface(id config.InterfaceID) *config.SIPInterface {
	_, i := id.In(a.config())
	return i
}

// Refusal says why calls of an identity must not go to a peer: the registration of the identity there is lost, or the peer wants to be
// left alone.
func (a *Agent) Refusal(iface config.InterfaceID, identity string) error {
	i := a.sipInterface(iface)
	if i == nil {
		return nil
	}
	if err := a.unregistered(i, identity); err != nil {
		return err
	}
	if why := a.holds.reason(iface); why != "" {
		return &siptransport.Error{Op: "call", Peer: i.Remote.Host, Err: errors.New("the peer " + why)}
	}
	return nil
}

// unregistered says that an identity is registered at a peer, and the registration is lost.
func (a *Agent) unregistered(i *config.SIPInterface, identity string) error {
	r := a.registrationAt(i, identity)
	if r == nil {
		return nil
	}
	if st := r.Snapshot(); st.State == status.RegistrationFailed {
		return &siptransport.Error{Op: "call", Peer: st.Registrar, Err: errors.New("identity " + identity + " is not registered: " + st.Error)}
	}
	return nil
}

// registrationAt is the registration of an identity at the peer of an interface; nil: there is none.
func (a *Agent) registrationAt(i *config.SIPInterface, identity string) *registration {
	gw := i.Gateway.In(a.config())
	if gw == nil {
		return nil
	}
	for _, ref := range gw.Location {
		r, ok := a.registrations.Find(registrationSpec{gateway: gw.Name, service: ref.Name, identity: identity}.Key())
		if ok && strings.EqualFold(r.spec.to.Host, i.Remote.Host) {
			return r
		}
	}
	return nil
}

// Heard notes a request of the peer.
func (a *Agent) Heard(iface config.InterfaceID, from netip.Addr) { a.heard.note(iface, from) }

// Responded notes that the peer has responded to a call.
func (a *Agent) Responded(iface config.InterfaceID) { a.holds.responded(iface) }

// Overloaded keeps calls away for as long as the peer asks, and has it probed.
func (a *Agent) Overloaded(iface config.InterfaceID, retryAfter time.Duration) {
	if retryAfter > 0 {
		a.holds.set(iface, min(retryAfter, holdMost), "has answered a call with 503")
	}
	a.probeNow(iface)
}

// Silent keeps calls away from a peer without a probe. When other calls were answered meanwhile, the network has lost this one call.
func (a *Agent) Silent(iface config.InterfaceID, began time.Time) {
	if a.holds.respondedSince(iface, began) {
		return
	}
	if !a.probed(iface) {
		a.holds.set(iface, holdSilent, "did not answer the last call")
	}
	a.probeNow(iface)
}

// Disowned has an identity registered anew: if the peer knows another password by now, that is known at once, and not when the registration
// ends.
func (a *Agent) Disowned(iface config.InterfaceID, identity string) {
	i := a.sipInterface(iface)
	if i == nil {
		return
	}
	if r := a.registrationAt(i, identity); r != nil {
		select {
		case r.kick <- 0:
		default: // it is about to
		}
	}
}

// Suspect has the peer probed, because a call to it just failed.
func (a *Agent) Suspect(iface config.InterfaceID) { a.probeNow(iface) }
