package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Packet is what a line says of a packet. What it does not hold is left zero.
type Packet struct {
	Ethertype uint16
	Protocol  uint8 // of IP
	From, To  netip.AddrPort
	Fragment  bool // a later fragment, which has no ports
	Octets    int  // of the payload of UDP or TCP, as the IP header says
	flags     byte // of TCP
	icmp      byte
	arp       uint16
}

// Parse reads the headers of an Ethernet frame, as far as they are there.
func Parse(frame []byte) (p Packet) {
	if len(frame) < 14 {
		return p
	}
	p.Ethertype = binary.BigEndian.Uint16(frame[12:])
	rest := frame[14:]
	if p.Ethertype == unix.ETH_P_8021Q && len(rest) >= 4 {
		p.Ethertype, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
	}
	switch p.Ethertype {
	case unix.ETH_P_IP:
		p.ip4(rest)
	case unix.ETH_P_IPV6:
		p.ip6(rest)
	case unix.ETH_P_ARP:
		if len(rest) >= 28 {
			p.arp = binary.BigEndian.Uint16(rest[6:])
			p.From, p.To = at4(rest[14:], 0), at4(rest[24:], 0)
		}
	}
	return p
}

func at4(b []byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), port)
}

func (p *Packet) ip4(b []byte) {
	if len(b) < 20 {
		return
	}
	header := int(b[0]&15) * 4
	p.Protocol, p.From, p.To = b[9], at4(b[12:], 0), at4(b[16:], 0)
	p.Octets = max(0, int(binary.BigEndian.Uint16(b[2:]))-header)
	if p.Fragment = binary.BigEndian.Uint16(b[6:])&0x1fff != 0; !p.Fragment && header >= 20 && len(b) >= header {
		p.transport(b[header:])
	}
}

func (p *Packet) ip6(b []byte) {
	if len(b) < 40 {
		return
	}
	p.Protocol, p.Octets = b[6], int(binary.BigEndian.Uint16(b[4:]))
	p.From, p.To = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), 0), netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[24:40])), 0)
	p.transport(b[40:])
}

func (p *Packet) transport(b []byte) {
	switch {
	case p.Protocol == unix.IPPROTO_UDP && len(b) >= 8:
		p.Octets = max(0, p.Octets-8)
	case p.Protocol == unix.IPPROTO_TCP && len(b) >= 14:
		p.Octets, p.flags = max(0, p.Octets-int(b[12]>>4)*4), b[13]
	case (p.Protocol == unix.IPPROTO_ICMP || p.Protocol == unix.IPPROTO_ICMPV6) && len(b) >= 1:
		p.icmp = b[0]
		return
	default:
		return
	}
	p.From = netip.AddrPortFrom(p.From.Addr(), binary.BigEndian.Uint16(b))
	p.To = netip.AddrPortFrom(p.To.Addr(), binary.BigEndian.Uint16(b[2:]))
}

// between reports whether this is a TCP packet to or from x.
func (p Packet) between(x netip.AddrPort) bool {
	return p.Protocol == unix.IPPROTO_TCP && (p.From == x || p.To == x)
}

// TCP flags in the order in which they are shown.
var tcpFlags = []struct {
	bit  byte
	name string
}{{0x02, "SYN"}, {0x01, "FIN"}, {0x04, "RST"}, {0x08, "PSH"}, {0x10, "ACK"}}

// String is the packet in one line: where from, where to, and what.
func (p Packet) String() string {
	switch {
	case p.Ethertype == unix.ETH_P_ARP && p.arp == 1:
		return fmt.Sprintf("ARP: %s asks for %s", p.From.Addr(), p.To.Addr())
	case p.Ethertype == unix.ETH_P_ARP && p.arp == 2:
		return fmt.Sprintf("ARP: %s is there, to %s", p.From.Addr(), p.To.Addr())
	case !p.From.Addr().IsValid():
		return fmt.Sprintf("Ethernet type %04x", p.Ethertype)
	}
	what := fmt.Sprintf("protocol %d", p.Protocol)
	switch {
	case p.Fragment:
		what = "fragment"
	case p.Protocol == unix.IPPROTO_UDP:
		what = "UDP"
	case p.Protocol == unix.IPPROTO_TCP:
		what = "TCP"
		for _, f := range tcpFlags {
			if p.flags&f.bit != 0 {
				what += " " + f.name
			}
		}
	case p.Protocol == unix.IPPROTO_ICMP, p.Protocol == unix.IPPROTO_ICMPV6:
		what = fmt.Sprintf("ICMP type %d", p.icmp)
	}
	return fmt.Sprintf("%s > %s %s, %d octets", end(p.From), end(p.To), what, p.Octets)
}

// end is an address, with its port if it has one.
func end(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}
