package media

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch collects the packets that a thread sends in one go.
//
// Calls have a port each, so sendmmsg on their own sockets would carry one packet a system call. All IPv4 packets leave through
// one raw socket instead, hundreds in a system call, with IP and UDP headers that we write. That needs CAP_NET_RAW. Without it, for IPv6, and
// for a packet that is too long for the path, the port's own socket sends.
type batch struct {
	raw     int // -1: none
	n       int
	entries [slots]outbound
	heads   [slots]mmsghdr
	iovs    [slots]unix.Iovec
	names   [slots]sockaddr
	single  sockaddr
	ident   uint16
}

// outbound is a packet that waits to be sent.
type outbound struct {
	port   *port
	to     address
	packet []byte
	raw    bool // heads and so on hold it with its headers
}

func newBatch() *batch {
	b := &batch{raw: -1}
	for i := range b.heads {
		b.heads[i].head = unix.Msghdr{Name: &b.names[i][0], Namelen: unix.SizeofSockaddrInet4, Iov: &b.iovs[i]}
		b.heads[i].head.SetIovlen(1)
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

// add queues a packet, which is at headroom in its slot, so that headers fit before it.
func (b *batch) add(from *port, to address, slot []byte, size int) {
	if from == nil || b.n == len(b.entries) {
		return // closed; the entries are as many as the slots
	}
	e := &b.entries[b.n]
	*e = outbound{from, to, slot[headroom : headroom+size], b.raw >= 0 && from.family == unix.AF_INET && to.isV4()}
	if e.raw {
		frame := slot[headroom-rawHeaders : headroom+size]
		b.ident++
		writeHeaders(frame, from.header, to, b.ident)
		b.names[b.n].set(to, unix.AF_INET)
		b.iovs[b.n].Base = &frame[0]
		b.iovs[b.n].SetLen(len(frame))
	}
	b.n++
}

func (b *batch) flush() {
	for i := 0; i < b.n; {
		end := i
		for end < b.n && b.entries[end].raw {
			end++
		}
		if sent := b.sendRaw(i, end); sent > 0 {
			i += sent
			continue
		}
		b.sendOwn(&b.entries[i])
		i++
	}
	b.n = 0
}

// sendRaw sends entries from i up to end and returns how many went.
func (b *batch) sendRaw(i, end int) int {
	if i == end {
		return 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(b.raw), uintptr(unsafe.Pointer(&b.heads[i])), uintptr(end-i), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// sendOwn sends one packet on the port's own socket.
func (b *batch) sendOwn(e *outbound) {
	length := b.single.set(e.to, e.port.family)
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(e.port.fd), uintptr(unsafe.Pointer(&e.packet[0])), uintptr(len(e.packet)),
		unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&b.single)), uintptr(length))
	if errno != 0 {
		e.port.leg.stats.Unsent++
	}
}
