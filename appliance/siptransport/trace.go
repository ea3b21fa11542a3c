package siptransport

import (
	"net/netip"
	"time"
)

// TraceEntry is one message on the wire. Dropped says why a message was dropped before it was parsed.
type TraceEntry struct {
	Time          time.Time
	Gateway       string
	Transport     Transport
	Sent          bool
	Local, Remote netip.AddrPort
	Message       []byte // not to be kept or changed
	Dropped       string
}

func (g *Gate) trace(transport Transport, local, remote netip.AddrPort, sent bool, m []byte) {
	if f := g.opts.Trace; f != nil {
		f(TraceEntry{Time: time.Now(), Gateway: g.name, Transport: transport, Sent: sent, Local: local, Remote: remote, Message: m})
	}
}

// untrusted counts a connection or datagram that no interface trusts.
func (g *Gate) untrusted(transport Transport, from, local netip.AddrPort, m []byte) {
	g.Counters.Untrusted.Add(1)
	g.Dropped(transport, from, local, m, "not trusted")
}

// Dropped traces what was not taken.
func (g *Gate) Dropped(transport Transport, from, local netip.AddrPort, m []byte, why string) {
	if f := g.opts.Trace; f != nil {
		f(TraceEntry{Time: time.Now(), Gateway: g.name, Transport: transport, Local: local, Remote: from, Message: m, Dropped: why})
	}
}
