package media

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loadSocket sends and receives in batches, with the kernel's time of arrival.
type loadSocket struct {
	fd       int
	addr     netip.AddrPort
	out, in  [loadBatch]mmsghdr
	outIovs  [loadBatch]unix.Iovec
	inIovs   [loadBatch]unix.Iovec
	to, from [loadBatch]sockaddr
	outBytes [loadBatch][512]byte
	inBytes  [loadBatch][512]byte
	control  [loadBatch][64]byte
	queued   int
}

const loadBatch = 64

func newLoadSocket(host string) (*loadSocket, error) {
	s := &loadSocket{addr: netip.AddrPortFrom(netip.MustParseAddr(host), 0)}
	var err error
	if s.fd, err = bindUDP(s.addr, 0); err != nil {
		return nil, err
	}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<20)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return nil, fmt.Errorf("SO_TIMESTAMPNS: %w", err)
	}
	name, err := unix.Getsockname(s.fd)
	if err != nil {
		return nil, err
	}
	s.addr = netip.AddrPortFrom(s.addr.Addr(), uint16(name.(*unix.SockaddrInet4).Port))
	for i := range loadBatch {
		s.outIovs[i].Base, s.inIovs[i].Base = &s.outBytes[i][0], &s.inBytes[i][0]
		s.inIovs[i].SetLen(512)
		s.out[i].head = unix.Msghdr{Name: &s.to[i][0], Namelen: unix.SizeofSockaddrInet4, Iov: &s.outIovs[i]}
		s.out[i].head.SetIovlen(1)
		s.in[i].head = unix.Msghdr{Name: &s.from[i][0], Iov: &s.inIovs[i], Control: &s.control[i][0]}
		s.in[i].head.SetIovlen(1)
	}
	return s, nil
}

func (s *loadSocket) next(to *sockaddr) []byte {
	if s.queued == loadBatch {
		s.flush()
	}
	s.to[s.queued] = *to
	return s.outBytes[s.queued][:]
}

func (s *loadSocket) size(n int) {
	s.outIovs[s.queued].SetLen(n)
	s.queued++
}

func (s *loadSocket) flush() {
	for sent := 0; sent < s.queued; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[sent])), uintptr(s.queued-sent), 0, 0, 0)
		if errno != 0 {
			n = 1
		}
		sent += int(n)
	}
	s.queued = 0
}

func (s *loadSocket) receive() int {
	for i := range s.in {
		s.in[i].head.Namelen = uint32(len(s.from[i]))
		s.in[i].head.SetControllen(len(s.control[i]))
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])), loadBatch, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// packet returns the i-th packet, where it came from, and when it arrived in nanoseconds of Unix time.
func (s *loadSocket) packet(i int) (p []byte, from address, stamp int64) {
	c := s.control[i][unix.SizeofCmsghdr:]
	seconds, nanos := int64(binary.NativeEndian.Uint64(c)), int64(binary.NativeEndian.Uint64(c[8:]))
	return s.inBytes[i][:s.in[i].n], s.from[i].address(), seconds*1e9 + nanos
}
