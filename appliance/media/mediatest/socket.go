package mediatest

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket sends and receives in batches.
type socket struct {
	fd       int
	out, in  [batch]mmsghdr
	outIovs  [batch]unix.Iovec
	inIovs   [batch]unix.Iovec
	to, from [batch]unix.RawSockaddrInet4
	outBytes [batch][512]byte
	inBytes  [batch][512]byte
	control  [batch][128]byte
	queued   int
}

const batch = 64

// mmsghdr is the kernel's struct mmsghdr, which package unix does not have.
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
	_    [4]byte
}

func newSocket(fd int) *socket {
	s := &socket{fd: fd}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 16<<20)
	}
	for i := range batch {
		s.outIovs[i].Base, s.inIovs[i].Base = &s.outBytes[i][0], &s.inBytes[i][0]
		s.inIovs[i].SetLen(512)
		s.out[i].head = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.to[i])), Namelen: unix.SizeofSockaddrInet4, Iov: &s.outIovs[i]}
		s.out[i].head.SetIovlen(1)
		s.in[i].head = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.from[i])), Iov: &s.inIovs[i], Control: &s.control[i][0]}
		s.in[i].head.SetIovlen(1)
	}
	return s
}

func sockaddr(a netip.AddrPort) (s unix.RawSockaddrInet4) {
	s.Family, s.Addr = unix.AF_INET, a.Addr().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.Port))[:], a.Port())
	return s
}

func (s *socket) next(to *unix.RawSockaddrInet4) []byte {
	if s.queued == batch {
		s.flush()
	}
	s.to[s.queued] = *to
	return s.outBytes[s.queued][:]
}

func (s *socket) size(n int) {
	s.outIovs[s.queued].SetLen(n)
	s.queued++
}

// flush sends what is queued and returns the first failure. A packet that the kernel refuses is lost.
func (s *socket) flush() (failure error) {
	for sent := 0; sent < s.queued; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[sent])), uintptr(s.queued-sent), 0, 0, 0)
		if errno != 0 {
			n, failure = 1, cmp.Or(failure, error(errno))
		}
		sent += int(n)
	}
	s.queued = 0
	return failure
}

func (s *socket) receive() int {
	for i := range s.in {
		s.in[i].head.Namelen = unix.SizeofSockaddrInet4
		s.in[i].head.SetControllen(len(s.control[i]))
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// packet returns the i-th packet, the port it came from, and when it arrived in nanoseconds of Unix time.
func (s *socket) packet(i int) (p []byte, port uint16, stamp int64) {
	port = binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&s.from[i].Port))[:])
	return s.inBytes[i][:s.in[i].n], port, nanoseconds(s.control[i][unix.SizeofCmsghdr:]) // SO_TIMESTAMPNS comes first
}
