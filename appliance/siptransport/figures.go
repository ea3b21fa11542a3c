package siptransport

import (
	"cmp"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"

	"golang.org/x/sys/unix"
)

// Figures fills in the gateway's counters and returns the sockets of each interface.
func (g *Gate) Figures(x *status.Gateway) map[string][]status.Listener {
	x.Connections = g.connections.size()
	x.Requests, x.Untrusted, x.Malformed = g.Counters.Requests.Load(), g.Counters.Untrusted.Load(), g.Counters.Malformed.Load()
	x.Refused, x.Surplus, x.Shed = g.Counters.Refused.Load(), g.Counters.Surplus.Load(), g.Counters.Shed.Load()
	return g.sockets.figures()
}

// Connections lists the open TCP and TLS connections.
func (g *Gate) Connections() (list []status.Connection) {
	names := g.connections.dialled()
	for _, s := range g.connections.pick(func(*stream) bool { return true }) {
		s.mu.Lock()
		x := status.Connection{Gateway: g.name, Transport: s.kind.String(), Local: s.here, Remote: s.peer, Accepted: s.accepted, Opened: s.opened, Used: s.used}
		conn := s.conn
		s.mu.Unlock()
		if conn == nil { // it is being dialled
			continue
		}
		if t, ok := conn.(*tls.Conn); ok {
			x.TLS = agreed(t.ConnectionState())
		}
		x.Interface = g.interfaceAt(names[s], x.Remote.Addr())
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b status.Connection) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.Opened.Compare(b.Opened), a.Remote.Compare(b.Remote))
	})
	return list
}

// interfaceAt names the SIP interface with the peer of this name, or else the one that a request from the address belongs to.
func (g *Gate) interfaceAt(name string, at netip.Addr) string {
	for _, i := range g.conf.Load().interfaces {
		if name != "" && strings.EqualFold(i.Remote.Host, name) {
			return i.ID().String()
		}
	}
	if i := g.InterfaceOf(at); i != nil {
		return i.ID().String()
	}
	return ""
}

// agreed is what is shown of a handshake. Names in certificates are text of the peer.
func agreed(s tls.ConnectionState) *status.TLS {
	t := &status.TLS{Version: tls.VersionName(s.Version), Suite: tls.CipherSuiteName(s.CipherSuite)}
	if len(s.PeerCertificates) > 0 {
		c := s.PeerCertificates[0]
		t.Subject, t.Issuer, t.NotAfter = printable.Short(c.Subject.String(), shownName), printable.Short(c.Issuer.String(), shownName), c.NotAfter
	}
	return t
}

// shownName limits a name in a certificate.
const shownName = 200

// figures describes the sockets of each interface.
func (s *sockets) figures() map[string][]status.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := map[string][]status.Listener{}
	for k, l := range s.listeners {
		y := status.Listener{Transport: k.transport.String(), Address: k.addr}
		switch {
		case errors.Is(l.err, unix.EADDRNOTAVAIL):
			y.State, y.Error = status.ListenerNoAddress, l.err.Error()
		case l.err != nil:
			y.State, y.Error = status.ListenerFailed, l.err.Error()
		}
		of[l.iface] = append(of[l.iface], y)
	}
	for _, list := range of {
		slices.SortFunc(list, func(a, b status.Listener) int {
			return strings.Compare(a.Transport+a.Address.String(), b.Transport+b.Address.String())
		})
	}
	return of
}
