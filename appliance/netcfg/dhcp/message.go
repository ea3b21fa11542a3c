package dhcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Kinds of message, and options (RFC 2132).
const (
	kindDiscover, kindOffer, kindRequest, kindAck, kindNak, kindRelease = 1, 2, 3, 5, 6, 7

	optMask, optRouter, optNameServers       = 1, 3, 6
	optAddress, optLeaseTime, optKind        = 50, 51, 53
	optServer, optWanted, optMessage         = 54, 55, 56
	optOverload                              = 52
	optMaxSize, optRenew, optRebind          = 57, 58, 59
	optClientID, optRoutes, optPad, optEnd   = 61, 121, 0, 255
	clientPort, serverPort                   = 68, 67
	ethernetSize, ipSize, udpSize, bootpSize = 14, 20, 8, 240 // with the magic cookie
)

var cookie = []byte{99, 130, 83, 99}

// message is one DHCP message.
type message struct {
	kind           byte
	xid            uint32
	secs           uint16
	hw             [6]byte    // the client's
	ciaddr, yiaddr netip.Addr // zero: 0.0.0.0
	options        map[byte][]byte
}

// packet is a message of a server, and the hardware that it came from.
type packet struct {
	message
	from [6]byte
}

func put4(b []byte, a netip.Addr) {
	if a.Is4() {
		copy(b, a.AsSlice())
	}
}

// frame builds a client's message with all its headers.
func frame(from, to [6]byte, src, dst netip.Addr, m message) []byte {
	b := make([]byte, ethernetSize+ipSize+udpSize+bootpSize, 400)
	copy(b, to[:])
	copy(b[6:], from[:])
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	bootp := b[ethernetSize+ipSize+udpSize:]
	bootp[0], bootp[1], bootp[2] = 1, 1, 6 // a request, over Ethernet
	binary.BigEndian.PutUint32(bootp[4:], m.xid)
	binary.BigEndian.PutUint16(bootp[8:], m.secs)
	put4(bootp[12:], m.ciaddr)
	copy(bootp[28:], m.hw[:])
	copy(bootp[236:], cookie)
	b = append(b, optKind, 1, m.kind)
	for _, o := range slices.Sorted(maps.Keys(m.options)) {
		b = append(append(b, o, byte(len(m.options[o]))), m.options[o]...)
	}
	b = append(b, optEnd)
	for len(b) < ethernetSize+ipSize+udpSize+300 { // BOOTP relays drop shorter messages (RFC 1542 section 2.1)
		b = append(b, optPad)
	}
	ip := b[ethernetSize:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	put4(ip[12:], src)
	put4(ip[16:], dst)
	binary.BigEndian.PutUint16(ip[10:], ^sum(ip[:ipSize], 0))
	udp := ip[ipSize:]
	binary.BigEndian.PutUint16(udp, clientPort)
	binary.BigEndian.PutUint16(udp[2:], serverPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	pseudo := sum(ip[12:ipSize], uint32(17)+uint32(len(udp)))
	check := ^sum(udp, uint32(pseudo))
	if check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(udp[6:], check)
	return b
}

// sum is the Internet checksum before it is complemented (RFC 1071).
func sum(b []byte, start uint32) uint16 {
	s := start
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// parse reads a server's message from a frame. It ignores the checksum of UDP: a server on the same machine leaves it to a network card
// that does not exist.
func parse(b []byte) (p packet, ok bool) {
	if len(b) < ethernetSize+ipSize || binary.BigEndian.Uint16(b[12:]) != 0x0800 {
		return p, false
	}
	copy(p.from[:], b[6:])
	ip := b[ethernetSize:]
	header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if ip[0]>>4 != 4 || header < ipSize || total > len(ip) || total < header+udpSize+bootpSize ||
		ip[9] != 17 || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 || sum(ip[:header], 0) != 0xffff {
		return p, false
	}
	udp := ip[header:total]
	size := int(binary.BigEndian.Uint16(udp[4:]))
	if binary.BigEndian.Uint16(udp) != serverPort || binary.BigEndian.Uint16(udp[2:]) != clientPort || size > len(udp) || size < udpSize+bootpSize {
		return p, false
	}
	bootp := udp[udpSize:size]
	if bootp[0] != 2 || bootp[1] != 1 || bootp[2] != 6 || string(bootp[236:240]) != string(cookie) {
		return p, false
	}
	p.xid = binary.BigEndian.Uint32(bootp[4:])
	p.yiaddr = netip.AddrFrom4([4]byte(bootp[16:20]))
	copy(p.hw[:], bootp[28:])
	if p.options, ok = allOptions(bootp); !ok || len(p.options[optKind]) != 1 {
		return p, false
	}
	p.kind = p.options[optKind][0]
	return p, true
}

// allOptions reads the options, also those in the fields of names (RFC 2132 section 9.3).
func allOptions(bootp []byte) (map[byte][]byte, bool) {
	list, ok := options(bootp[bootpSize:])
	if !ok || len(list[optOverload]) != 1 {
		return list, ok
	}
	const file, sname = 1, 2
	for bit, field := range [][]byte{bootp[108:236], bootp[44:108]} {
		if list[optOverload][0]&[...]byte{file, sname}[bit] == 0 {
			continue
		}
		more, ok := options(field)
		if !ok {
			return nil, false
		}
		for kind, value := range more {
			list[kind] = append(list[kind], value...)
		}
	}
	return list, true
}

// options reads the options and joins the parts of one option (RFC 3396).
func options(b []byte) (map[byte][]byte, bool) {
	list := map[byte][]byte{}
	for len(b) > 0 {
		switch {
		case b[0] == optPad:
			b = b[1:]
			continue
		case b[0] == optEnd:
			return list, true
		case len(b) < 2 || len(b) < 2+int(b[1]):
			return nil, false
		}
		list[b[0]] = append(list[b[0]], b[2:2+int(b[1])]...)
		b = b[2+int(b[1]):]
	}
	return list, true // servers forget the end
}

// lease makes the lease of an offer or acknowledgement; it runs from when we asked for it (section 4.4.1).
func (p *packet) lease(asked time.Time) (*Lease, error) {
	l := &Lease{Obtained: asked, hardware: p.from}
	if unusable(p.yiaddr) {
		return nil, fmt.Errorf("the DHCP server gives the address %s", p.yiaddr)
	}
	servers := addresses(p.options[optServer])
	if len(p.options[optServer]) != 4 || unusable(servers[0]) {
		return nil, errors.New("the DHCP server does not say who it is")
	}
	l.Server = servers[0]
	bits := 24
	if m := p.options[optMask]; len(m) != 0 && len(m) != 4 {
		return nil, fmt.Errorf("the DHCP server gives a mask of %d octets", len(m))
	} else if len(m) == 4 {
		mask := binary.BigEndian.Uint32(m)
		if bits = 0; mask != 0 {
			for bits < 32 && mask&(1<<(31-bits)) != 0 {
				bits++
			}
		}
		if bits == 0 || mask<<bits != 0 && bits < 32 {
			return nil, fmt.Errorf("the DHCP server gives the mask %d.%d.%d.%d", m[0], m[1], m[2], m[3])
		}
	}
	l.Prefix = netip.PrefixFrom(p.yiaddr, bits)
	if p.yiaddr == edge(l.Prefix, false) || p.yiaddr == edge(l.Prefix, true) {
		return nil, fmt.Errorf("the DHCP server gives the address %s, which is the network's own or its broadcast address", l.Prefix)
	}
	l.routing(p.options)
	for _, s := range addresses(p.options[optNameServers]) {
		if !unusable(s) && s != p.yiaddr {
			l.NameServers = append(l.NameServers, s)
		}
	}
	length := max(p.seconds(optLeaseTime, time.Hour), 2*time.Minute)
	renew, rebind := p.seconds(optRenew, length/2), p.seconds(optRebind, length/8*7)
	if renew <= 0 || renew >= rebind || rebind >= length {
		renew, rebind = length/2, length/8*7
	}
	l.Renew, l.Rebind, l.Expires = asked.Add(renew), asked.Add(rebind), asked.Add(length)
	return l, nil
}

// seconds reads a time of the lease; infinity is ten years.
func (p *packet) seconds(option byte, usual time.Duration) time.Duration {
	b := p.options[option]
	if len(b) != 4 {
		return usual
	}
	return min(time.Duration(binary.BigEndian.Uint32(b))*time.Second, 10*365*24*time.Hour)
}

func addresses(b []byte) (list []netip.Addr) {
	for ; len(b) >= 4; b = b[4:] {
		list = append(list, netip.AddrFrom4([4]byte(b)))
	}
	return list
}
