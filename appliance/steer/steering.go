package steer

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"unsafe"

	"viaduct/appliance/sockfilter"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// IPv4 and IPv6 have a shared socket each.
const (
	V4 = iota
	V6
	Families
)

// ErrFull says that as many ports are steered as New was told.
var ErrFull = errors.New("no further port can be steered")

// Steering is one program with its sockets, in one network namespace.
type Steering struct {
	sockets   [][Families]int // -1 where there is no IPv6: two that drop, then each thread's
	program   *ebpf.Program
	link      *link.NetNsLink
	bySocket  *ebpf.Map // sockets, by index
	byAddress *ebpf.Map // indexes in entries, by local address and port
	gates     *ebpf.Map // entries
	memory    []byte    // of gates, shared with the kernel
	entries   []entry   // the same

	mu   sync.Mutex
	free []uint32 // indexes in entries, the longest unused first; none after Close
}

// New makes the shared sockets of so many threads, for so many ports, in the network namespace of the calling thread, and attaches the
// program there.
func New(threads, ports int) (_ *Steering, err error) {
	s := &Steering{}
	for range threads + 1 {
		s.sockets = append(s.sockets, [Families]int{-1, -1})
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if err = s.makeMaps(threads, ports); err != nil {
		return nil, err
	}
	for i := range s.sockets {
		for family := range Families {
			if err = s.makeSocket(i, family); err != nil {
				return nil, err
			}
		}
	}
	if s.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "media_ports", Type: ebpf.SkLookup, AttachType: ebpf.AttachSkLookup, Instructions: s.instructions(), License: "Apache-2.0",
	}); err != nil {
		return nil, fmt.Errorf("load program: %w", err)
	}
	namespace, err := unix.IoctlRetInt(s.sockets[0][V4], unix.SIOCGSKNS)
	if err != nil {
		return nil, os.NewSyscallError("ioctl SIOCGSKNS", err)
	}
	defer unix.Close(namespace)
	if s.link, err = link.AttachNetNs(namespace, s.program); err != nil {
		return nil, fmt.Errorf("attach program: %w", err)
	}
	return s, nil
}

func (s *Steering) makeMaps(threads, ports int) (err error) {
	newMap := func(spec ebpf.MapSpec) *ebpf.Map {
		var m *ebpf.Map
		if err == nil {
			if m, err = ebpf.NewMap(&spec); err != nil {
				err = fmt.Errorf("make map %s: %w", spec.Name, err)
			}
		}
		return m
	}
	const index = 4 // octets
	s.bySocket = newMap(ebpf.MapSpec{Name: "sockets", Type: ebpf.SockMap, KeySize: index, ValueSize: 4, MaxEntries: uint32(Families * (threads + 1))})
	s.byAddress = newMap(ebpf.MapSpec{Name: "ports", Type: ebpf.Hash, KeySize: keySize, ValueSize: index, MaxEntries: uint32(ports), Flags: unix.BPF_F_NO_PREALLOC})
	s.gates = newMap(ebpf.MapSpec{Name: "gates", Type: ebpf.Array, KeySize: index, ValueSize: entrySize, MaxEntries: uint32(ports), Flags: unix.BPF_F_MMAPABLE})
	if err != nil {
		return err
	}
	if s.memory, err = unix.Mmap(s.gates.FD(), 0, ports*int(entrySize), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	s.entries = unsafe.Slice((*entry)(unsafe.Pointer(&s.memory[0])), ports)
	for i := range ports {
		s.free = append(s.free, uint32(i))
	}
	return nil
}

// makeSocket makes a shared socket and puts it into the map.
func (s *Steering) makeSocket(i, family int) error {
	fd, err := sharedSocket(family)
	if err != nil {
		if family == V6 && errors.Is(err, unix.EAFNOSUPPORT) {
			return nil // the machine has none, and so no port will
		}
		return err
	}
	s.sockets[i][family] = fd
	if i == 0 {
		err = sockfilter.Attach(fd, []bpf.Instruction{bpf.RetConstant{}}) // it takes packets from the program and drops them
	}
	return errors.Join(err, s.bySocket.Put(uint32(Families*i+family), uint32(fd)))
}

// Close ends the steering. All ports are removed by then, and none can be added.
func (s *Steering) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		s.link.Close()
	}
	s.program.Close()
	for _, m := range []*ebpf.Map{s.bySocket, s.byAddress, s.gates} {
		m.Close()
	}
	for _, pair := range s.sockets {
		for _, fd := range pair {
			if fd >= 0 {
				unix.Close(fd)
			}
		}
	}
	if s.memory != nil {
		_ = unix.Munmap(s.memory)
	}
	s.memory, s.entries, s.free = nil, nil, nil
}

// Sockets are those that a thread reads, -1 where there is no IPv6.
func (s *Steering) Sockets(thread int) [Families]int { return s.sockets[thread+1] }

// Add steers a port to the sockets of a thread. Nobody is admitted yet.
func (s *Steering) Add(local netip.AddrPort, thread int) (*Port, error) {
	family := V4
	if local.Addr().Unmap().Is6() {
		family = V6
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 {
		return nil, ErrFull
	}
	p := &Port{steering: s, index: s.free[0], key: keyOf(local)}
	p.entry = &s.entries[p.index]
	*p.entry = entry{admits: Nobody, socket: uint32(Families*(thread+1) + family)}
	if err := s.byAddress.Put(p.key, p.index); err != nil {
		return nil, fmt.Errorf("steer port %s: %w", local, err)
	}
	s.free = s.free[1:]
	return p, nil
}

// Remove ends the steering of a port.
func (p *Port) Remove() {
	s := p.steering
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		return
	}
	_ = s.byAddress.Delete(p.key)
	s.free = append(s.free, p.index)
}

// sharedQueue is the size of a shared socket's buffer in octets, as the kernel counts them: over 100 ms of 1,000 calls.
const sharedQueue = 16 << 20

// sharedSocket makes a socket for packets to many addresses, in the network namespace of the calling thread. The program needs no
// address of it, but the kernel gives every bound socket one, which the program does not guard: it is one that the network cannot reach,
// whether the loopback interface is up or not.
func sharedSocket(family int) (int, error) {
	domain, local := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if family == V6 {
		domain, local = unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	var options error
	if family == V4 {
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
