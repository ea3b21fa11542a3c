package vrrp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// ask4 sends everybody at the port the question who has target, in the name of sender. When both are one it is an announcement (RFC 5227 3): nobody
// answers, and who knows the sender learns where it is now.
func (p *port) ask4(s *station, sender, target netip.Addr) {
	mac := s.link.Attrs().HardwareAddr
	if len(mac) != len(broadcast) {
		return // no Ethernet
	}
	_ = s.arp.SetWriteDeadline(time.Now().Add(intervalUnit))
	_, _ = s.arp.Write(arpRequest(mac, sender, target)) // all are repeated; without a carrier nobody hears them
}

func arpRequest(mac net.HardwareAddr, sender, target netip.Addr) []byte {
	const smallestFrame = 60
	b := append(make([]byte, 0, smallestFrame), broadcast...)
	b = append(b, mac...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_ARP)
	b = append(b, 0, 1, 8, 0, 6, 4, 0, 1) // Ethernet, IPv4, lengths of their addresses, a request
	b = append(append(b, mac...), sender.AsSlice()...)
	b = append(append(b, make([]byte, len(mac))...), target.AsSlice()...)
	return b[:smallestFrame]
}
