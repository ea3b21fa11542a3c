package media

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"viaduct/appliance/media/wire"
	"viaduct/appliance/pair"

	"golang.org/x/sys/unix"
)

// batch collects the packets that a thread sends in one go.
//
// Calls have a port each, so sendmmsg on their own sockets would carry one packet a system call. All IPv4 packets leave through
// one packet socket or one raw socket instead, hundreds in a system call, with IP and UDP headers that we write. That needs CAP_NET_RAW.
// Without it, for IPv6, and for a packet that is too long for the path, the port's own socket sends.
type batch struct {
	raw     int // -1: none
	packet  int // of direct; with a way only
	n       int
	entries [slots]outbound
	heads   [slots]mmsghdr
	iovs    [slots]unix.Iovec
	names   [slots]wire.Sockaddr
	sources [slots]sourced // viaKernel only
	single  wire.Sockaddr
	term    *pair.Term
	ident   uint16
}

// outbound is a packet that waits to be sent.
type outbound struct {
	port   *port
	to     wire.Address
	packet []byte
	door   door
}

// door is the socket by which a packet leaves.
type door uint8

const (
	ownSocket door = iota // the port's
	viaKernel             // the raw socket: heads and so on hold the packet with its headers
	viaDevice             // the packet socket: the same, with a hardware address
)

// sourced tells the kernel which address a packet comes from. It does not look into headers that we write, and would choose the route as if
// the packet came from any of its addresses: another table than the interface's, or a port where that address is not at home. An address that
// the box has no more is refused.
type sourced struct {
	head unix.Cmsghdr
	info unix.Inet4Pktinfo
}

func newBatch(term *pair.Term) *batch {
	b := &batch{raw: -1, term: term}
	for i := range b.heads {
		b.heads[i].head = unix.Msghdr{Iov: &b.iovs[i]}
		b.heads[i].head.SetIovlen(1)
		b.sources[i].head = unix.Cmsghdr{Level: unix.IPPROTO_IP, Type: unix.IP_PKTINFO}
		b.sources[i].head.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	}
	return b
}

// rawBuffer is the size of the raw socket's buffer, for all calls together, in octets as the kernel counts them.
const rawBuffer = 8 << 20

// rawSocket makes a socket for packets with headers of ours, in the network namespace of the calling thread. It cannot receive.
func rawSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return -1, fmt.Errorf("media raw socket: %w", os.NewSyscallError("socket", err))
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, rawBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, rawBuffer) // as much as the system allows
	}
	return fd, nil
}

// add queues a packet, which is at headroom in its slot, so that headers fit before it. by is its way past the kernel, nil: none.
func (b *batch) add(from *port, to wire.Address, by *route, slot []byte, size int) {
	if from == nil || b.n == len(b.entries) {
		return // closed; the entries are as many as the slots
	}
	e := &b.entries[b.n]
	*e = outbound{from, to, slot[headroom : headroom+size], ownSocket}
	if b.raw >= 0 && from.family == unix.AF_INET && to.IsV4() {
		frame := slot[headroom-wire.Length : headroom+size]
		b.ident++
		wire.Write(frame, from.header, to, b.ident)
		b.iovs[b.n].Base = &frame[0]
		b.iovs[b.n].SetLen(len(frame))
		if by != nil && len(frame) <= directMost {
			e.door = viaDevice
			h := &b.heads[b.n].head
			h.Name, h.Namelen = by.sockaddr()
			h.Control = nil
			h.SetControllen(0)
		} else {
			b.byKernel(b.n)
		}
	}
	b.n++
}

// byKernel sends a packet with headers the kernel's way.
func (b *batch) byKernel(i int) {
	e, h := &b.entries[i], &b.heads[i].head
	e.door = viaKernel
	h.Name, h.Namelen = &b.names[i][0], b.names[i].Set(e.to, unix.AF_INET)
	binary.BigEndian.PutUint32(b.sources[i].info.Spec_dst[:], uint32(e.port.local.Low))
	h.Control = (*byte)(unsafe.Pointer(&b.sources[i]))
	h.SetControllen(int(unsafe.Sizeof(b.sources[i])))
}

// flush sends the queued packets, unless the box's term is over. One that cannot leave by its door tries the next.
func (b *batch) flush() {
	if b.n > 0 && !b.term.Runs() {
		b.n = 0
	}
	for i := 0; i < b.n; {
		by := b.entries[i].door
		end := i + 1
		for end < b.n && b.entries[end].door == by {
			end++
		}
		switch by {
		case viaDevice:
			sent := b.sendMany(b.packet, i, end)
			if i += sent; sent == 0 {
				b.byKernel(i) // the device is down or gone, or takes shorter packets only
			}
		case viaKernel:
			sent := b.sendMany(b.raw, i, end)
			if i += sent; sent == 0 {
				b.entries[i].door = ownSocket
			}
		case ownSocket:
			b.sendOwn(&b.entries[i])
			i++
		}
	}
	b.n = 0
}

// sendMany sends entries from i up to end and returns how many went.
func (b *batch) sendMany(fd, i, end int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.heads[i])), uintptr(end-i), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// sendOwn sends one packet on the port's own socket.
func (b *batch) sendOwn(e *outbound) {
	length := b.single.Set(e.to, e.port.family)
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(e.port.fd), uintptr(unsafe.Pointer(&e.packet[0])), uintptr(len(e.packet)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&b.single)), uintptr(length))
	if errno != 0 {
		e.port.leg.stats.Unsent++
	}
}
