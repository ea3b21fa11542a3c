package mediatest

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stamped is a socket whose packets the kernel stamps at both ends: when one is handed to the device, and when one has come by it. So what
// the generator takes to make a packet, and waits for its processor with it, counts as nobody's delay.
type stamped struct {
	*socket
	sent    uint32 // packets so far: the kernel numbers them in the same way
	packets [remembered]packet
	heads   [batch]mmsghdr // of notes about departures
	notes   [batch][192]byte
}

// remembered is how many packets may be under way from a socket: five seconds of 500 calls.
const remembered = 1 << 17

// packet is what the generator knows of one that it has sent; times are nanoseconds of Unix time.
type packet struct {
	number uint32
	due    int64 // when the plan has it
	made   int64 // when the generator began to write it
	left   int64 // 0: not yet
}

func newStamped(fd int) (*stamped, error) {
	s := &stamped{socket: newSocket(fd)}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return nil, fmt.Errorf("SO_TIMESTAMPNS: %w", err)
	}
	const departures = unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE | unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_TSONLY
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, departures); err != nil {
		return nil, fmt.Errorf("SO_TIMESTAMPING: %w", err)
	}
	for i := range s.heads {
		s.heads[i].head.Control = &s.notes[i][0]
	}
	return s, nil
}

// number is that of the packet which is queued next.
func (s *stamped) number() uint32 { return s.sent + uint32(s.queued) }

// plan remembers the packet which is queued next.
func (s *stamped) plan(due, made int64) {
	n := s.number()
	s.packets[n%remembered] = packet{number: n, due: due, made: made}
}

func (s *stamped) flush() error {
	s.sent += uint32(s.queued)
	return s.socket.flush()
}

// learn reads the kernel's notes about packets that have left.
func (s *stamped) learn(each func(p *packet)) {
	for n := batch; n == batch; {
		for i := range s.heads {
			s.heads[i].head.SetControllen(len(s.notes[i]))
		}
		got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.heads[0])), batch, unix.MSG_DONTWAIT|unix.MSG_ERRQUEUE, 0, 0)
		if errno != 0 {
			return
		}
		n = int(got)
		for i := range n {
			number, at := departure(s.notes[i][:s.heads[i].head.Controllen])
			if p := &s.packets[number%remembered]; p.number == number && at != 0 {
				p.left = at
				each(p)
			}
		}
	}
}

// departure reads a note: struct scm_timestamping says when, struct sock_extended_err which packet (ee_data).
func departure(note []byte) (number uint32, at int64) {
	for len(note) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&note[0]))
		size := int(h.Len)
		if size < unix.SizeofCmsghdr || size > len(note) {
			return 0, 0
		}
		switch data := note[unix.SizeofCmsghdr:size]; {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPING && len(data) >= 16:
			at = nanoseconds(data)
		case h.Level == unix.SOL_IP && h.Type == unix.IP_RECVERR && len(data) >= 16:
			number = binary.NativeEndian.Uint32(data[12:])
		}
		note = note[min((size+7)&^7, len(note)):]
	}
	return number, at
}

// nanoseconds reads struct timespec.
func nanoseconds(b []byte) int64 {
	return int64(binary.NativeEndian.Uint64(b))*1e9 + int64(binary.NativeEndian.Uint64(b[8:]))
}
