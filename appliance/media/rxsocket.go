package media

import (
	"os"
	"unsafe"

	"viaduct/appliance/media/wire"
	"viaduct/appliance/steer"

	"golang.org/x/sys/unix"
)

// rxSocket is a socket that a thread reads packets from. All ports of the thread share one, or each port has its own where the kernel does
// not permit steering.
type rxSocket struct {
	fd    int
	index int    // in sockets.list
	port  *port  // nil: the socket is shared, and each packet has its destination
	most  int    // packets that one system call reads
	calls int    // system calls in a turn; further packets wait for the next turn
	drops uint64 // of a shared socket, as checkShared saw them last
}

// sockets is the set of sockets that a thread reads.
type sockets struct {
	epoll  int
	list   []*rxSocket
	shared []*rxSocket // those of list that all ports share
	free   []int       // indexes in list that are free
	events []unix.EpollEvent
	// backlog has the indexes of sockets with packets left from the last turn; spare is the other slice of the exchange.
	backlog, spare []int
}

// A turn reads so many packets from a port's own socket, so that a flood on one port costs the others little. It empties the shared socket:
// the kernel has bounded what each port puts into it.
const (
	budget      = 8
	sharedCalls = 16
)

// ownBuffer is the buffer of a port's own socket, in octets as the kernel counts them: about a second of voice. A larger
// one would only add delay.
const ownBuffer = 64 << 10

// watch begins to read a socket; p is nil for a shared one. It asks for one event per arrival (edge-triggered): the kernel then looks at a
// socket once per event and not a second time to find it empty. The backlog lists the sockets that were not read to their end.
func (t *thread) watch(fd int, p *port) (*rxSocket, error) {
	in := &rxSocket{fd: fd, index: len(t.sockets.list), port: p, most: budget, calls: 1}
	if p == nil {
		in.most, in.calls = slots, sharedCalls
	} else { // best effort: the buffer only decides how much is heard after a stall
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, ownBuffer/2) // the kernel doubles it
	}
	if k := len(t.sockets.free); k > 0 {
		in.index, t.sockets.free = t.sockets.free[k-1], t.sockets.free[:k-1]
		t.sockets.list[in.index] = in
	} else {
		t.sockets.list = append(t.sockets.list, in)
	}
	if err := t.expect(fd, in.index); err != nil {
		t.unwatch(in)
		return nil, err
	}
	return in, nil
}

// share begins to read the sockets that all ports of the thread share.
func (t *thread) share(fds [steer.Families]int) error {
	for _, fd := range fds {
		if fd < 0 {
			continue
		}
		in, err := t.watch(fd, nil)
		if err != nil {
			return err
		}
		t.sockets.shared = append(t.sockets.shared, in)
	}
	return nil
}

// unshare undoes share before the sockets are closed.
func (t *thread) unshare() {
	for _, in := range t.sockets.shared {
		t.unwatch(in)
	}
	t.sockets.shared = nil
}

// checkShared logs when a shared socket overflowed: the thread had no processor for a long time, or has too many calls.
func (t *thread) checkShared() {
	for _, in := range t.sockets.shared {
		if drops := kernelDrops(in.fd); drops != in.drops {
			lost := drops - in.drops
			in.drops = drops
			t.relay.events.post(func() { t.log.Warn("media packets are lost: the relay is too slow", "packets", lost) })
		}
	}
}

func (t *thread) expect(fd, index int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(index)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(t.sockets.epoll, unix.EPOLL_CTL_ADD, fd, &e))
}

func (t *thread) unwatch(in *rxSocket) {
	t.sockets.list[in.index] = nil
	t.sockets.free = append(t.sockets.free, in.index)
}

// drain relays the packets of a socket and returns how many there were.
func (t *thread) drain(in *rxSocket) (packets int) {
	for range in.calls {
		if t.input.next+in.most > slots {
			t.flush()
		}
		first, n := t.input.next, t.input.read(in.fd, in.most)
		t.input.next += n
		if in.port != nil {
			t.relayOwn(in.port, first, n)
		} else {
			t.relayShared(first, n)
		}
		t.input.free(first, n)
		packets += n
		if n < in.most {
			return packets
		}
	}
	t.sockets.backlog = append(t.sockets.backlog, in.index)
	return packets
}

// relayOwn relays the packets of a port's own socket, which are in n slots.
func (t *thread) relayOwn(p *port, first, n int) {
	strangers := p.leg.stats.Foreign
	for i := first; i < first+n; i++ {
		t.relayPacket(p, i)
	}
	if p.leg.stats.Foreign-strangers >= shieldAt {
		t.shield(p)
	}
}

// relayShared relays the packets of a shared socket, which are in n slots. A port may have been closed since.
//
// All ports are looked up, and their legs prefetched, before the first packet is relayed. With hundreds of calls their memory is not in the
// processor's caches, and so it waits for many lines at once.
func (t *thread) relayShared(first, n int) {
	ports := t.input.found[:n]
	for i := range ports {
		ports[i] = t.table.find(t.input.sentTo(first + i))
	}
	for _, p := range ports {
		if p != nil {
			t.input.prefetched += p.leg.prefetch()
		}
	}
	for i, p := range ports {
		if p != nil {
			t.relayPacket(p, first+i)
		}
	}
}

// relayPacket relays the packet in a slot.
func (t *thread) relayPacket(p *port, slot int) {
	size, from, cut := t.input.packet(slot)
	if cut {
		p.leg.stats.Invalid++
		return
	}
	t.slot = slot
	t.receive(p, t.input.slot(slot)[headroom:headroom+size], from)
}

// input is a thread's memory for packets and what recvmmsg needs to fill it.
type input struct {
	memory  []byte
	next    int // first free slot
	heads   [slots]mmsghdr
	iovs    [slots]unix.Iovec
	names   [slots]wire.Sockaddr
	control [slots]control

	found      [slots]*port // of the packets that are being relayed
	prefetched uint64       // see leg.prefetch
}

// slots is how many packets may be between receiving and sending.
const slots = 128

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
	_    [4]byte
}

// control is room for the one message that a shared socket adds to a packet: its destination address.
type control struct {
	head unix.Cmsghdr
	name wire.Sockaddr
	_    [4]byte
}

func newInput() *input {
	in := &input{memory: make([]byte, slots*slotSize)}
	for i := range in.heads {
		in.iovs[i].Base = &in.memory[i*slotSize+headroom]
		in.iovs[i].SetLen(maxInput)
		in.heads[i].head = unix.Msghdr{Name: &in.names[i][0], Iov: &in.iovs[i], Control: (*byte)(unsafe.Pointer(&in.control[i]))}
		in.heads[i].head.SetIovlen(1)
	}
	in.free(0, slots)
	return in
}

// read fills free slots and returns how many. The socket does not block, so the Go scheduler need not know of the system call.
func (in *input) read(fd, most int) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.heads[in.next])), uintptr(most), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0 // EAGAIN, or an ICMP error that belongs to a packet of ours
	}
	return int(n)
}

// free makes slots ready to be filled again.
func (in *input) free(first, n int) {
	for i := first; i < first+n; i++ {
		in.heads[i].head.Namelen = uint32(unsafe.Sizeof(in.names[i]))
		in.heads[i].head.SetControllen(int(unsafe.Sizeof(in.control[i])))
	}
}

// slot is the memory of a slot, its capacity ending with it.
func (in *input) slot(i int) []byte {
	return in.memory[i*slotSize : (i+1)*slotSize : (i+1)*slotSize]
}

func (in *input) packet(i int) (size int, from wire.Address, cut bool) {
	h := &in.heads[i]
	return int(h.n), in.names[i].Address(), h.head.Flags&unix.MSG_TRUNC != 0
}

// sentTo is the local address of a packet from a shared socket.
func (in *input) sentTo(i int) wire.Address {
	if in.heads[i].head.Controllen == 0 {
		return wire.Address{}
	}
	return in.control[i].name.Address()
}
