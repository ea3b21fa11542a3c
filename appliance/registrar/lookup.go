package registrar

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Targets are the phones that have registered by an interface as the identity that a user part names, in the order in which they are tried
// one by one: by q, and then the one that came last. known: there is such an identity, even if none of its phones is there.
func (r *Registrar) Targets(i config.InterfaceID, user string) (targets []siptransport.PhoneTarget, identity string, known bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cfg == nil {
		return nil, "", false
	}
	_, iface := i.In(r.cfg)
	l := r.location(iface)
	if l == nil {
		return nil, "", false
	}
	who := l.Named(user)
	if who == nil {
		return nil, "", false
	}
	list := slices.DeleteFunc(slices.Clone(r.phones.of[aor{l.Name, who.Name}]), func(b *binding) bool { return b.iface != i || !b.reached(now) })
	slices.SortStableFunc(list, func(a, b *binding) int { return cmp.Or(b.q-a.q, b.since.Compare(a.since)) })
	for _, b := range list {
		targets = append(targets, b.target)
	}
	return targets, who.Name, true
}

// Bindings lists the phones that have registered, by location service and identity.
func (r *Registrar) Bindings() []status.Binding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.phones.statuses()
}

// Model is the User-Agent of the phone at an address, as of its last REGISTER within a day, and when it registered over TLS last; zero: not
// within that day.
func (r *Registrar) Model(at netip.Addr) (userAgent string, secured time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.agents[at.Unmap()]
	return x.name, x.secured
}
