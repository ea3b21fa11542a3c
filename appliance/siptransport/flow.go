package siptransport

import (
	"bytes"
	"net/netip"

	"viaduct/appliance/sipmsg"
)

// Flow carries messages to a peer. It is a UDP socket with an address, a connection that the peer opened (which takes only responses of ours,
// teams.md A.15, unless the peer is a phone), or a connection that we opened.
type Flow interface {
	// Send queues one message and never blocks. wanted, when not nil, is asked before a message that had to wait for its
	// connection is written. failed, when not nil, is told that it cannot be written.
	Send(m []byte, wanted func() bool, failed func(error))
	// Hold keeps the flow for a transaction; lost, when not nil, is told when the connection breaks. The flow may be closed
	// (a retired connection) after the last release.
	Hold(lost func(error)) (release func())
	Reliable() bool
	Transport() Transport
	Remote() netip.AddrPort
	Local() netip.Addr // of ours, that it begins at
}

// Retire ends a connection of ours after its transactions. New requests go by another one. One that is still being opened stays.
func Retire(f Flow) {
	if s, ok := f.(*stream); ok && !s.accepted && s.connected() {
		s.retire()
	}
}

// datagrams is one UDP socket; datagramFlow is a peer reached through it.
type datagrams struct {
	g     *Gate
	conn  PacketConn // nil: that of the address by the time something is sent, see Elsewhere
	local netip.AddrPort
}

type datagramFlow struct {
	d  *datagrams
	to netip.AddrPort
}

func (f datagramFlow) Send(m []byte, _ func() bool, failed func(error)) {
	if !f.d.g.Speaks() {
		return
	}
	var err error = errNoListener
	d := f.d
	if d.conn == nil {
		d = d.g.sockets.datagrams(d.local)
	}
	if d != nil && d.conn != nil {
		d.g.trace(UDP, d.local, f.to, true, m)
		_, err = d.conn.WriteToUDPAddrPort(m, f.to)
	}
	if err == nil {
		f.d.g.Counts(f.to.Addr()).Written(m)
	} else if failed != nil {
		failed(&Error{Op: "write", Peer: f.to.String(), Err: err})
	}
}

func (f datagramFlow) Hold(func(error)) func() { return func() {} }
func (f datagramFlow) Reliable() bool          { return false }
func (f datagramFlow) Transport() Transport    { return UDP }
func (f datagramFlow) Remote() netip.AddrPort  { return f.to }
func (f datagramFlow) Local() netip.Addr       { return f.d.local.Addr() }

// read reads datagrams until the socket is closed. It drops datagrams of strangers before anything is parsed or remembered.
func (d *datagrams) read() {
	buf := make([]byte, 65536)
	for {
		n, from, err := d.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if isClosed(err) {
				return
			}
			continue // a queued ICMP error of an earlier write must not end the socket
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		d.g.datagram(d, from, buf[:n])
	}
}

// datagram handles one datagram of a UDP socket.
func (g *Gate) datagram(d *datagrams, from netip.AddrPort, b []byte) {
	if !g.Speaks() {
		return
	}
	trusted := g.Trusts(from.Addr())
	if !trusted && !g.addresses.expects(from.Addr()) {
		if !g.conf.Load().Gateway.AnswerUntrusted {
			g.untrusted(UDP, from, d.local, b)
			return
		}
	}
	if !g.allowsMessage(from.Addr()) {
		g.unread(UDP, from)
		return
	}
	whole := b
	b = bytes.TrimLeft(b, "\r\n") // as streams have them between messages (RFC 3261 7.5)
	if len(b) < sipmsg.MinMessage || !sipmsg.IsToken(b[0]) {
		return // a keep-alive: CRLF, zeros, STUN
	}
	head, body, f := sipmsg.FrameDatagram(b)
	g.trace(UDP, d.local, from, false, whole)
	g.receive(head, body, f, Arrival{Flow: datagramFlow{d, from}, Source: from, Local: d.local, Trusted: trusted})
}

// Arrival says how a message came.
type Arrival struct {
	Flow    Flow // for responses to it
	Source  netip.AddrPort
	Local   netip.AddrPort
	Trusted bool // false: only responses are taken, or requests answered with 403
}
