package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Steering lets all ports of a thread share one receiving socket, so that one system call takes what came for hundreds of calls.
//
// A program in the kernel runs where the socket of a packet is looked up (BPF_PROG_TYPE_SK_LOOKUP, Linux 5.11 with all that it calls), behind the
// firewall's input chain. It finds the port's entry by local address and port, lets in whom the entry's gate admits, and gives the
// packet to the thread's socket, which tells the address that it was sent to (IP_RECVORIGDSTADDR). Strangers are counted
// in the entry and end in a socket that drops everything without a word, so a flood reaches no queue. What belongs to no port of
// ours goes the ordinary way.
//
// It needs CAP_BPF and CAP_NET_ADMIN, which a user namespace does not give. The socket that a port is bound to stays empty: it
// keeps others from taking the port, and sends what the raw socket cannot.
type steering struct {
	pairs                     [][families]int // sockets by family, -1 where there is no IPv6: two that drop, then each thread's
	program, link             int
	sockets, byAddress, gates int // maps
	memory                    []byte
	entries                   []entry // the memory of the map gates

	mu   sync.Mutex
	free []uint32 // places in entries, the longest unused first; none when it is closed
}

// entry is what the program knows of a port. It stands in memory that the kernel and we share.
type entry struct {
	host      [4]uint32 // who may send, in network order: an IPv6 address, or an IPv4 one in the last word
	port      uint32    // and from which port
	admits    uint32
	strangers uint64    // packets that were turned away
	excess    uint64    // packets that came too fast
	due       [2]uint64 // when the next packet is due, in the kernel's nanoseconds: of the host, and of others
	socket    uint32    // place in the map sockets
	_         uint32
}

// Limits of a port. What shares a queue must not fill it: not before a peer is known, when anybody may send to a port, and not with a
// forged source.
const (
	packetEvery = 500_000           // nanoseconds between packets in the long run: forty times what a call needs
	packetBurst = 512 * packetEvery // and how far they may be ahead
	steered     = 1 << 14           // ports at most
	sharedQueue = 16 << 20          // octets of a shared socket's buffer, as the kernel counts them: over 100 ms of 1,000 calls
)

// IPv4 and IPv6 have a shared socket each.
const (
	v4 = iota
	v6
	families
)

// newSteering makes the shared sockets of so many threads, in the network namespace of the calling thread, and attaches the program there.
func newSteering(threads int) (_ *steering, err error) {
	s := &steering{program: -1, link: -1, sockets: -1, byAddress: -1, gates: -1}
	for range threads + 1 {
		s.pairs = append(s.pairs, [families]int{-1, -1})
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if err = s.makeMaps(threads); err != nil {
		return nil, err
	}
	for i := range s.pairs {
		for family := range families {
			if err = s.makeSocket(i, family); err != nil {
				return nil, err
			}
		}
	}
	if s.program, err = s.write().handOver("media_ports", unix.BPF_PROG_TYPE_SK_LOOKUP, unix.BPF_SK_LOOKUP); err != nil {
		return nil, err
	}
	namespace, err := unix.IoctlRetInt(s.pairs[0][v4], unix.SIOCGSKNS)
	if err != nil {
		return nil, os.NewSyscallError("ioctl SIOCGSKNS", err)
	}
	defer unix.Close(namespace)
	s.link, err = attachBPF(s.program, namespace, unix.BPF_SK_LOOKUP)
	return s, err
}

func (s *steering) makeMaps(threads int) (err error) {
	const size = steered * int(unsafe.Sizeof(entry{}))
	if s.sockets, err = newBPFMap("sockets", unix.BPF_MAP_TYPE_SOCKMAP, 4, 4, uint32(families*(threads+1)), 0); err != nil {
		return err
	}
	if s.byAddress, err = newBPFMap("ports", unix.BPF_MAP_TYPE_HASH, keySize, 4, steered, unix.BPF_F_NO_PREALLOC); err != nil {
		return err
	}
	if s.gates, err = newBPFMap("gates", unix.BPF_MAP_TYPE_ARRAY, 4, uint32(unsafe.Sizeof(entry{})), steered, unix.BPF_F_MMAPABLE); err != nil {
		return err
	}
	if s.memory, err = unix.Mmap(s.gates, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	s.entries = unsafe.Slice((*entry)(unsafe.Pointer(&s.memory[0])), steered)
	s.free = make([]uint32, steered)
	for i := range s.free {
		s.free[i] = uint32(i)
	}
	return nil
}

// makeSocket makes a socket of pairs and puts it into the map.
func (s *steering) makeSocket(i, family int) error {
	fd, err := sharedSocket(family)
	if err != nil {
		if family == v6 && errors.Is(err, unix.EAFNOSUPPORT) {
			return nil // the machine has none, and so no port will
		}
		return err
	}
	s.pairs[i][family] = fd
	if i == 0 {
		err = dropAll(fd)
	}
	place, value := uint32(families*i+family), uint32(fd)
	return errors.Join(err, setBPFElement(s.sockets, unsafe.Pointer(&place), unsafe.Pointer(&value)))
}

// close ends it. No port is open any more, and none can be opened.
func (s *steering) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fds := []int{s.link, s.program, s.sockets, s.byAddress, s.gates}
	for _, pair := range s.pairs {
		fds = append(fds, pair[:]...)
	}
	for _, fd := range fds {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if s.memory != nil {
		_ = unix.Munmap(s.memory)
	}
	s.memory, s.entries, s.free = nil, nil, nil
}

// ofThread are the sockets of a thread.
func (s *steering) ofThread(number int) [families]int { return s.pairs[number+1] }

// socketPlace is where the map sockets has the socket of a thread.
func socketPlace(thread int, family uint16) uint32 {
	if family == unix.AF_INET6 {
		return uint32(families*(thread+1) + v6)
	}
	return uint32(families*(thread+1) + v4)
}

// The key of byAddress is an address as in entry and the port in host order.
const keySize = 20

func keyOf(local address) (key [5]uint32) {
	words, _ := wordsOf(local)
	copy(key[:], words[:])
	key[4] = uint32(local.port)
	return key
}

// wordsOf is an address and port as the program sees them.
func wordsOf(a address) (host [4]uint32, port uint32) {
	var b [16]byte
	if a.isV4() {
		binary.BigEndian.PutUint32(b[12:], uint32(a.low))
	} else {
		putBE64(b[:], a.high)
		putBE64(b[8:], a.low)
	}
	for i := range host {
		host[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return host, uint32(binary.NativeEndian.Uint16([]byte{byte(a.port >> 8), byte(a.port)}))
}

// add steers a port to the socket of a thread. Nobody is admitted yet.
func (s *steering) add(local address, socket uint32) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return nil, fmt.Errorf("%w: all of %d are in use", ErrNoPort, steered)
	}
	place, key := s.free[0], keyOf(local)
	e := &s.entries[place]
	*e = entry{admits: admitsNobody, socket: socket}
	if err := setBPFElement(s.byAddress, unsafe.Pointer(&key), unsafe.Pointer(&place)); err != nil {
		return nil, err
	}
	s.free = s.free[1:]
	return e, nil
}

// remove ends the steering of a port.
func (s *steering) remove(local address, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := keyOf(local)
	_ = setBPFElement(s.byAddress, unsafe.Pointer(&key), nil)
	s.free = append(s.free, uint32((uintptr(unsafe.Pointer(e))-uintptr(unsafe.Pointer(&s.entries[0])))/unsafe.Sizeof(*e)))
}

// admit tells the program who may send. Should it look in between, somebody gets in who may not: the thread looks at each packet again.
func (e *entry) admit(g gate) {
	atomic.StoreUint32(&e.admits, admitsAnybody)
	e.host, e.port = wordsOf(g.from)
	atomic.StoreUint32(&e.admits, g.admits)
}

// dropAll lets a socket take packets from the program and drop them.
func dropAll(fd int) error {
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	f := unix.SockFprog{Len: 1, Filter: &nothing}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f))
}

// sharedSocket makes a socket for packets to many addresses, in the network namespace of the calling thread. The program needs no
// address of it, but the kernel gives every bound socket one, which the program does not guard: it is one that the network cannot reach,
// whether the loopback interface is up or not.
func sharedSocket(family int) (int, error) {
	domain, local := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if family == v6 {
		domain, local = unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	var options error
	if family == v4 {
		options = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVORIGDSTADDR, 1), unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1))
	} else {
		options = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVORIGDSTADDR, 1), unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1))
	}
	if err := errors.Join(os.NewSyscallError("setsockopt", options), os.NewSyscallError("bind", unix.Bind(fd, local))); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, sharedQueue/2) != nil { // the kernel doubles it
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, sharedQueue/2)
	}
	return fd, nil
}
