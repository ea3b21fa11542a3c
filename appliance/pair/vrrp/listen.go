package vrrp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
)

// packet is one as a socket gave it, without its IP header.
type packet struct {
	body       []byte
	source, to netip.Addr
	hops       int
}

// read has f take the packets of a socket until it is closed, or fails.
func (s *station) read(c *ipv4.PacketConn, f func(packet)) {
	b := make([]byte, 2048)
	for {
		n, control, from, err := c.ReadFrom(b)
		if err != nil {
			s.failed <- err
			return
		}
		addr, ok := from.(*net.IPAddr)
		if !ok || control == nil || control.IfIndex != s.index {
			continue // it came before the socket was bound to its device
		}
		source, _ := netip.AddrFromSlice(addr.IP)
		to, _ := netip.AddrFromSlice(control.Dst)
		f(packet{body: b[:n], source: source.Unmap(), to: to.Unmap(), hops: control.TTL})
	}
}

// What is wrong with a packet as such.
var (
	errRouted   = errors.New("it has passed a router")
	errNotGroup = errors.New("it was not sent to 224.0.0.18")
)

// parse reads an advertisement of a packet.
func (k packet) parse() (Advert, error) {
	switch {
	case k.hops != hops:
		return Advert{}, errRouted
	case k.to != group:
		return Advert{}, errNotGroup
	}
	return Parse(k.body, k.source)
}

// A box says what it is once in an interval, and once more when that changes. Who sends in its name can send as fast as the wire allows: hear looks at so
// many packets in an interval, and the kernel drops what its small buffer does not hold. What is behind in it is soon too old to be believed.
const (
	looks      = 8       // in an interval
	mostOfBox  = 4       // in an interval: more is a flood
	boxBuffer  = 4 << 10 // octets, about ten packets as the kernel counts them
	floodLasts = 10 * time.Minute
)

// hear takes what the other box says.
func (p *port) hear(s *station) {
	var begun time.Time
	n := 0
	s.read(s.box, func(k packet) {
		defer s.rest(p.o.Interval / looks)
		a, err := k.parse()
		now := time.Now()
		p.update(func(st *State) {
			if err != nil {
				st.Invalid++
				st.Fault = fmt.Sprint(err) // of forms and numbers alone
				return
			}
			if n++; now.Sub(begun) > 10*p.o.Interval {
				begun, n = now, 0
			}
			if n > 10*mostOfBox {
				st.Flooded = now
			}
			st.Heard = now
			st.Received++
		})
		if err == nil && p.o.Heard != nil {
			p.o.Heard(Heard{Port: p.n, At: now, From: k.source, Advert: a})
		}
	})
}

// hearStrangers counts what anybody else says with the pair's number. It looks at ten in a second; the kernel drops what its buffer does not hold.
func (p *port) hearStrangers(s *station) {
	s.read(s.strangers, func(k packet) {
		p.update(func(st *State) { st.Foreign, st.Foreigner = st.Foreign+1, k.source })
		s.rest(100 * time.Millisecond)
	})
}

// rest waits, or until the station ends.
func (s *station) rest(d time.Duration) {
	select {
	case <-s.ending:
	case <-time.After(d):
	}
}

// Crowded reports whether more comes in the name of the other box than it can have sent.
func (s *State) Crowded(now time.Time) bool {
	return !s.Flooded.IsZero() && now.Sub(s.Flooded) < floodLasts
}

// hearEchoes takes the answers of witnesses.
func (p *port) hearEchoes(s *station) {
	s.read(s.echo, func(k packet) {
		if r, ok := parseAnswer(k.body, k.source, k.to); ok {
			select {
			case p.echoes <- r:
			case <-s.ending:
			}
		}
	})
}
