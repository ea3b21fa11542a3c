package pcapng

import (
	"encoding/binary"
	"net/netip"
)

// Protocols of IP.
const (
	protocolTCP = 6
	protocolUDP = 17
)

// in6 is an address as one of IPv6.
func in6(a netip.Addr) netip.Addr {
	if !a.IsValid() {
		return netip.IPv6Unspecified()
	}
	return netip.AddrFrom16(a.As16())
}

// ethernetHeader is the header of a packet between the box and a router, none of whose hardware addresses is known.
func ethernetHeader(p Packet) []byte {
	box, other := []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}
	h := append(box, other...)
	if p.Sent {
		h = append(other, box...)
	}
	if p.From.Addr().Is4() {
		return append(h, 8, 0)
	}
	return append(h, 0x86, 0xdd)
}

// ipHeader is the header of a packet with so many octets of transport before its payload.
func ipHeader(p Packet, transport int) []byte {
	protocol := byte(protocolUDP)
	if p.Stream {
		protocol = protocolTCP
	}
	from, to := p.From.Addr(), p.To.Addr()
	length := transport + p.Length
	if !from.Is4() {
		h := binary.BigEndian.AppendUint32(nil, 6<<28)
		h = binary.BigEndian.AppendUint16(h, uint16(length))
		h = append(h, protocol, 64)
		h = append(h, from.AsSlice()...)
		return append(h, to.AsSlice()...)
	}
	h := []byte{0x45, 0}
	h = binary.BigEndian.AppendUint16(h, uint16(length+20))
	h = append(h, 0, 0, 0x40, 0, 64, protocol, 0, 0)
	h = append(h, from.AsSlice()...)
	h = append(h, to.AsSlice()...)
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(0, h)))
	return h
}

func udp(p Packet) []byte {
	h := binary.BigEndian.AppendUint16(nil, p.From.Port())
	h = binary.BigEndian.AppendUint16(h, p.To.Port())
	h = binary.BigEndian.AppendUint16(h, uint16(8+p.Length))
	return checked(append(h, 0, 0), 6, p, protocolUDP)
}

func tcp(p Packet, sequence, acknowledged uint32) []byte {
	const pushAndAck = 0x18
	h := binary.BigEndian.AppendUint16(nil, p.From.Port())
	h = binary.BigEndian.AppendUint16(h, p.To.Port())
	h = binary.BigEndian.AppendUint32(h, sequence)
	h = binary.BigEndian.AppendUint32(h, acknowledged)
	h = append(h, 5<<4, pushAndAck, 0xff, 0xff, 0, 0, 0, 0)
	return checked(h, 16, p, protocolTCP)
}

// checked fills in the checksum of a transport header. A payload of which only the beginning is known has none.
func checked(h []byte, at int, p Packet, protocol byte) []byte {
	if len(p.Payload) < p.Length {
		return h
	}
	pseudo := append(p.From.Addr().AsSlice(), p.To.Addr().AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(h)+p.Length))
	pseudo = append(pseudo, 0, 0, 0, protocol)
	c := ^fold(sum(sum(sum(0, pseudo), h), p.Payload))
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(h[at:], c)
	return h
}

// sum adds 16-bit words. All but the last text must have an even length.
func sum(s uint32, b []byte) uint32 {
	for len(b) >= 2 {
		s += uint32(binary.BigEndian.Uint16(b))
		s = s>>16 + s&0xffff
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
