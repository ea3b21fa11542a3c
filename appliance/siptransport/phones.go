package siptransport

import (
	"cmp"
	"errors"
	"math"
	"net/netip"
	"sync/atomic"

	"viaduct/appliance/config"
)

// FlowID names a connection that a peer has opened, for as long as the process runs; 0: none. The number of one that has ended never comes again.
type FlowID uint64

var lastFlow atomic.Uint64

// PhoneTarget is where requests for a phone go: back on the way by which it has registered, or by which a request of it came (RFC 5626).
type PhoneTarget struct {
	URI       string         `json:"uri,omitempty"` // its Contact, the Request-URI of requests that begin something; "" in a dialog
	Flow      FlowID         `json:"-"`             // of its connection; 0 over UDP
	Addr      netip.AddrPort `json:"addr"`          // its own: the source of what came
	Local     netip.AddrPort `json:"local"`         // the socket of ours that it came to; zero: the one on that side of the network
	Transport Transport      `json:"transport"`
}

// Target is the same for those who send requests. Port and address of a phone are never looked up, and never dialled.
func (p PhoneTarget) Target() Target {
	return Target{Host: p.Addr.Addr().String(), Port: p.Addr.Port(), Transport: p.Transport, Phone: &p}
}

// Phone is how requests reach the sender of a message, if it is a phone.
func (a Arrival) Phone() PhoneTarget {
	p := PhoneTarget{Addr: a.Source, Local: a.Local, Transport: a.Flow.Transport()}
	if s, ok := a.Flow.(*stream); ok {
		p.Flow = s.id
	}
	return p
}

var errFlowGone = errors.New("the phone's connection has ended")

// phone is the flow to a phone: the socket that it came to, or its own connection. None is dialled, because nobody listens at the far end of
// a phone's connection.
func (g *Gate) phone(p *PhoneTarget) (Flow, error) {
	if p.Transport.Reliable() {
		if s := g.connections.named(p.Flow); s != nil {
			return s, nil
		}
		return nil, &Error{Op: "send", Peer: p.Addr.String(), Err: errFlowGone}
	}
	d := g.sockets.datagrams(p.Local)
	if d == nil {
		d = g.socket(p.Addr.Addr())
	}
	if d == nil {
		return nil, &Error{Op: "send", Peer: p.Addr.String(), Err: errNoListener}
	}
	return datagramFlow{d, p.Addr}, nil
}

// named is the open connection of a peer with this number; nil: there is none.
func (c *connections) named(id FlowID) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flows[id]
}

// mostPhones bounds what the configuration makes room for.
const mostPhones = 4096

// countContacts counts the phones that may register by the interfaces of the gateway.
func (c *Conf) countContacts() (n int) {
	counted := map[*config.LocationService]bool{}
	for _, i := range c.interfaces {
		l := i.Phones.In(c.Config)
		if l == nil || counted[l] {
			continue
		}
		counted[l] = true
		for _, id := range l.Identities {
			if n >= mostPhones {
				return mostPhones
			}
			if f, _ := l.Settings(id.Name); f.Inbound != nil {
				n += f.Inbound.MaxContacts
			}
		}
	}
	return min(n, mostPhones)
}

// places are how many connections there may be: of one source, half open of one source and of all, new ones of one source a second, and in all.
type places struct{ ofSource, halfOpenOne, halfOpen, fresh, all int }

// placesFor are those for a phone, or for another peer. All handsets of a DECT base have one address, and after a power cut all phones come
// in the same second: there is room for as many as may register.
func (c *Conf) placesFor(phone bool) places {
	p := places{cmp.Or(c.Gateway.MaxConnsPerSource, math.MaxInt), maxHalfOpenOne, maxHalfOpen, newConnections, cmp.Or(c.Gateway.MaxConnections, math.MaxInt-mostPhones) + c.contacts}
	if phone {
		p.ofSource, p.halfOpenOne, p.halfOpen = max(p.ofSource, c.contacts), max(p.halfOpenOne, min(c.contacts, maxHalfOpenPhones)), max(p.halfOpen, min(c.contacts, maxHalfOpenPhones))
		p.fresh = max(p.fresh, min(c.contacts, maxHalfOpenPhones))
	}
	return p
}

// Present is a phone by a connection that is open: its own, else the one that was opened last from its address and by its transport. A phone
// whose connection has ended opens another one, and hears there what belongs to its dialogs.
func (g *Gate) Present(p PhoneTarget) PhoneTarget {
	if !p.Transport.Reliable() || g.connections.named(p.Flow) != nil {
		return p
	}
	var last *stream
	for _, s := range g.connections.pick(func(s *stream) bool {
		return s.accepted && s.kind == p.Transport && !s.halfOpen() && s.Remote().Addr() == p.Addr.Addr()
	}) {
		if last == nil || s.id > last.id {
			last = s
		}
	}
	if last != nil {
		p.Flow, p.Addr = last.id, last.Remote()
	}
	return p
}

// SideOf is the side of the gateway on which the peer of an interface is, or its phones.
func (g *Gate) SideOf(i *config.SIPInterface) *Side {
	c := g.conf.Load()
	if ofPhones(i) {
		for _, t := range i.Trust {
			if t.Prefix.IsValid() {
				return c.Towards(c.TransportFor(i, ""), t.Prefix.Masked().Addr().Next())
			}
		}
	}
	return g.Towards(g.Peer(i, ""))
}

// ofPhones reports whether the peers of an interface are phones; nil is none.
func ofPhones(i *config.SIPInterface) bool { return i != nil && !i.Phones.IsZero() }

// narrowest is the length of the narrowest network in which an interface trusts an address; an address of its remote is the narrowest of
// all. -1: it does not trust it.
func (g *Gate) narrowest(i *config.SIPInterface, from netip.Addr) int {
	bits := -1
	for _, t := range i.Trust {
		switch {
		case t.Remote && g.isRemote(i, from):
			return from.BitLen()
		case t.Teams:
			for _, n := range config.TeamsSignalling {
				if n.Contains(from) {
					bits = max(bits, n.Bits())
				}
			}
		case t.Prefix.IsValid() && t.Prefix.Contains(from):
			bits = max(bits, t.Prefix.Bits())
		}
	}
	return bits
}

// amongPhones is the interface of phones that trusts an address, if its network is no wider than that of the interface n, which trusts it,
// too (-1: none does); else n. A phone must show who it is, so it is the safer guess where two networks are the same.
func (g *Gate) amongPhones(c *Conf, n int, from netip.Addr) int {
	most := -1
	if n >= 0 {
		most = g.narrowest(c.interfaces[n], from)
	}
	found := n
	for k, i := range c.interfaces {
		if !ofPhones(i) {
			continue
		}
		if bits := g.narrowest(i, from); bits > most || bits >= 0 && bits == most && found == n {
			most, found = bits, k
		}
	}
	return found
}
