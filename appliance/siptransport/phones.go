package siptransport

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"viaduct/appliance/config"
)

// FlowID names a connection that a peer has opened, for as long as the process runs; 0: none. The number of one that has ended never comes again.
type FlowID uint64

var lastFlow atomic.Uint64

// PhoneTarget is where requests for a phone go: back on the way by which it has registered, or by which a request of it came (RFC 5626).
type PhoneTarget struct {
	URI       string         // its Contact, the Request-URI of requests that begin something; "" in a dialog
	Flow      FlowID         // of its connection; 0 over UDP
	Addr      netip.AddrPort // its own: the source of what came
	Local     netip.AddrPort // the socket of ours that it came to; zero: the one on that side of the network
	Transport Transport
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
