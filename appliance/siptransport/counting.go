package siptransport

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipcount"
	"viaduct/appliance/status"
)

// ownedFor is how long the interface of an address is remembered. Looking it up may ask the resolver for the name of each interface, which
// is too much for every message.
const ownedFor = 2 * time.Second

// owners remembers the interfaces of addresses. Each address has one place, which it shares with others: the last one has it.
type owners [256]atomic.Pointer[owned]

// owned says whose messages those of an address are, in one configuration.
type owned struct {
	conf   *Conf
	addr   netip.Addr
	until  time.Time
	counts *sipcount.Counts
}

func (o *owners) place(a netip.Addr) *atomic.Pointer[owned] {
	octets := a.As16()
	return &o[binary.BigEndian.Uint64(octets[8:])*0x9e3779b97f4a7c15>>56] // Fibonacci hashing: neighbours are far apart
}

// Counts are the counters for messages from and to an address: those of the interface that InterfaceOf tells, else of the one with this
// peer, whom it need not trust; nil: of none.
func (g *Gate) Counts(a netip.Addr) *sipcount.Counts {
	c, now, place := g.conf.Load(), time.Now(), g.owners.place(a)
	if o := place.Load(); o != nil && o.conf == c && o.addr == a && now.Before(o.until) {
		return o.counts
	}
	n := g.interfaceOf(c, a)
	if n < 0 {
		n = slices.IndexFunc(c.interfaces, func(i *config.SIPInterface) bool { return g.isRemote(i, a) })
	}
	var counts *sipcount.Counts
	if n >= 0 {
		counts = c.counts[n]
	}
	place.Store(&owned{c, a, now.Add(ownedFor), counts}) // that it is nobody's, too: each of its messages would ask all names
	return counts
}

// countAs gives each interface its counters. Those that the old configuration has, too, count on.
func (c *Conf) countAs(old *Conf) {
	c.counts = make([]*sipcount.Counts, len(c.interfaces))
	for n, i := range c.interfaces {
		if was := slices.IndexFunc(old.interfaces, func(x *config.SIPInterface) bool { return x.ID() == i.ID() }); was >= 0 {
			c.counts[n] = old.counts[was]
		} else {
			c.counts[n] = new(sipcount.Counts)
		}
	}
}

// Messages counts the messages of an interface of the gateway.
func (g *Gate) Messages(id config.InterfaceID) status.SIPTraffic {
	c := g.conf.Load()
	for n, i := range c.interfaces {
		if i.ID() == id {
			return c.counts[n].Figures()
		}
	}
	return status.SIPTraffic{}
}

// Resend sends a message by a flow that it has gone by before.
func (g *Gate) Resend(f Flow, m []byte, failed func(error)) {
	g.Counts(f.Remote().Addr()).Repeated(sipcount.Sent)
	f.Send(m, nil, failed)
}

// AcknowledgeAgain sends the ACK of a final response once more, because the response came from an address once more.
func (g *Gate) AcknowledgeAgain(from netip.Addr, f Flow, ack []byte) {
	g.Counts(from).Repeated(sipcount.Received)
	g.Resend(f, ack, nil)
}

// Resend sends a response that has been sent before.
func (b Back) Resend(m []byte) {
	b.g.Counts(b.flow.Remote().Addr()).Repeated(sipcount.Sent)
	b.Send(m)
}
