package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Packet is an IPv4 packet as it was on the wire, from its IP header on.
type Packet []byte

func (p Packet) TOS() byte        { return p[1] }
func (p Packet) Protocol() byte   { return p[9] }
func (p Packet) From() netip.Addr { return netip.AddrFrom4([4]byte(p[12:16])) }
func (p Packet) To() netip.Addr   { return netip.AddrFrom4([4]byte(p[16:20])) }

// Fragment reports whether the packet is a part of a larger one.
func (p Packet) Fragment() bool { return binary.BigEndian.Uint16(p[6:])&0x3fff != 0 }

// Payload is what follows the IP header.
func (p Packet) Payload() []byte { return p[int(p[0]&15)*4:] }

// Ports are those of TCP and UDP.
func (p Packet) Ports() (from, to uint16) {
	if b := p.Payload(); len(b) >= 4 {
		from, to = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	return from, to
}

// SegmentSize is the maximum segment size that a SYN announces, 0 when it is no SYN or announces none.
func (p Packet) SegmentSize() int {
	b := p.Payload()
	if p.Protocol() != unix.IPPROTO_TCP || len(b) < 20 || b[13]&2 == 0 {
		return 0
	}
	for o := b[20:min(len(b), int(b[12]>>4)*4)]; len(o) >= 2; {
		switch {
		case o[0] == 1: // padding
			o = o[1:]
		case o[0] == 2 && len(o) >= 4:
			return int(binary.BigEndian.Uint16(o[2:]))
		case o[1] < 2 || int(o[1]) > len(o):
			return 0
		default:
			o = o[o[1]:]
		}
	}
	return 0
}

// Sniffer hears every IPv4 packet that comes in and goes out by one device.
type Sniffer struct{ file *os.File }

// Sniff listens on a device of the calling thread's namespace. Close it after use.
func Sniff(device string) (*Sniffer, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", device, err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", device, err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	const ipv4 = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8 // in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: ipv4, Ifindex: link.Index}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on %s: %w", device, err)
	}
	return &Sniffer{file: os.NewFile(uintptr(fd), device)}, nil
}

func (s *Sniffer) Close() error { return s.file.Close() }

// Next returns the next packet that matches. It is an error when none comes in so long a time.
func (s *Sniffer) Next(patience time.Duration, match func(Packet) bool) (Packet, error) {
	if err := s.file.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	for buf := make([]byte, 1<<16); ; {
		n, err := s.file.Read(buf)
		if err != nil {
			return nil, err
		}
		if p := Packet(buf[:n]); n >= 20 && int(p[0]&15)*4 <= n && match(p) {
			return p, nil
		}
	}
}
