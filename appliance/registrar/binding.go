package registrar

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// binding is a phone that has registered as an identity. All but its key may be changed by its next REGISTER.
type binding struct {
	aor
	contact
	iface     config.InterfaceID       // by which it has registered
	target    siptransport.PhoneTarget // URI is that of the contact
	state     status.BindingState
	agent     string // User-Agent
	callID    string
	seq       uint32
	since     time.Time // its first REGISTER, or the restart
	refreshed time.Time
	lifetime  time.Duration // as it was granted
}

func (b *binding) expires() time.Time { return b.refreshed.Add(b.lifetime) }

func (b *binding) over(now time.Time) bool { return !now.Before(b.expires()) }

// reached reports whether requests can be sent to the phone. Nobody listens at the far end of a connection that has ended with the box.
func (b *binding) reached(now time.Time) bool {
	return b.state == status.BindingRegistered && !b.over(now)
}

// from reports whether a message came from the phone, as far as addresses tell: several phones may share one, as the handsets of a base do.
func (b *binding) from(at siptransport.PhoneTarget) bool {
	if b.target.Transport.Secure() && !at.Transport.Secure() {
		return false // an address can be forged without TLS
	}
	return at.Addr.Addr() == b.target.Addr.Addr()
}

// phones are the bindings, and the ways to find them.
type phones struct {
	of    map[aor][]*binding
	at    map[netip.Addr][]*binding
	flows map[siptransport.FlowID][]*binding
	n     int

	// A connection may end while a REGISTER that came on it is being answered.
	lately [64]siptransport.FlowID
	next   int
}

func noPhones() phones {
	return phones{of: map[aor][]*binding{}, at: map[netip.Addr][]*binding{}, flows: map[siptransport.FlowID][]*binding{}}
}

func (p *phones) add(b *binding) {
	p.n++
	p.of[b.aor] = append(p.of[b.aor], b)
	p.at[b.target.Addr.Addr()] = append(p.at[b.target.Addr.Addr()], b)
	if f := b.target.Flow; f != 0 {
		p.flows[f] = append(p.flows[f], b)
	}
}

func (p *phones) remove(b *binding) {
	p.n--
	without(p.of, b.aor, b)
	without(p.at, b.target.Addr.Addr(), b)
	without(p.flows, b.target.Flow, b)
}

func without[K comparable](m map[K][]*binding, key K, b *binding) {
	list := slices.DeleteFunc(m[key], func(x *binding) bool { return x == b })
	if len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}

// all is a copy: what it holds may be removed meanwhile.
func (p *phones) all() (list []*binding) {
	for _, of := range p.of {
		list = append(list, of...)
	}
	return list
}

func (p *phones) by(f siptransport.FlowID) []*binding { return slices.Clone(p.flows[f]) }

func (p *phones) ended(f siptransport.FlowID) {
	p.lately[p.next%len(p.lately)] = f
	p.next++
}

func (p *phones) hasEnded(f siptransport.FlowID) bool {
	return f != 0 && slices.Contains(p.lately[:], f)
}

// sender returns the bindings from which a message may have come: those of its connection, else those of its address.
func (p *phones) sender(at siptransport.PhoneTarget, now time.Time) []*binding {
	fits := func(list []*binding) (found []*binding) {
		for _, b := range list {
			if b.from(at) && !b.over(now) {
				found = append(found, b)
			}
		}
		return found
	}
	if found := fits(p.flows[at.Flow]); len(found) > 0 {
		return found
	}
	return fits(p.at[at.Addr.Addr()])
}

// here reports whether a phone has registered as an identity from where a message came.
func (p *phones) here(a aor, at siptransport.PhoneTarget, now time.Time) bool {
	return slices.ContainsFunc(p.of[a], func(b *binding) bool { return b.from(at) && !b.over(now) })
}

// statuses lists all, by location service and identity, the oldest first.
func (p *phones) statuses() []status.Binding {
	list := slices.SortedFunc(slices.Values(p.all()), func(a, b *binding) int {
		return cmp.Or(strings.Compare(a.location, b.location), strings.Compare(a.identity, b.identity), a.since.Compare(b.since), strings.Compare(a.uri, b.uri))
	})
	out := make([]status.Binding, len(list))
	for i, b := range list {
		out[i] = status.Binding{Location: b.location, Identity: b.identity, State: b.state, Contact: b.uri, Source: b.target.Addr, Transport: b.target.Transport.String(),
			UserAgent: b.agent, Instance: b.instance, Since: b.since, Refreshed: b.refreshed, Expires: b.expires()}
	}
	return out
}

// remember notes which phone is at an address.
func (r *Registrar) remember(b *binding, now time.Time) {
	at := b.target.Addr.Addr()
	x, known := r.agents[at]
	if !known && len(r.agents) >= mostAgents {
		delete(r.agents, slices.MinFunc(slices.Collect(maps.Keys(r.agents)), func(a, b netip.Addr) int { return r.agents[a].heard.Compare(r.agents[b].heard) }))
	}
	if x.heard = now; b.agent != "" {
		x.name = b.agent
	}
	if b.target.Transport.Secure() {
		x.secured = now
	}
	r.agents[at] = x
}
