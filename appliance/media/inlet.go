package media

import (
	"os"
	"unsafe"

	"viaduct/appliance/steer"

	"golang.org/x/sys/unix"
)

// inlet is a socket that packets are read from: the one that a thread's ports share, or the own one of a port where the kernel does
// not let us steer.
type inlet struct {
	fd    int
	place int    // in thread.inlets
	port  *port  // nil: of all, and each packet says which
	most  int    // packets that one system call takes
	calls int    // that may follow each other while all are full; what stays behind has to wait for the next turn
	drops uint64 // of a shared one, seen by checkShared
}

// A port's own socket may give so many packets a turn: a flood on one port costs the others little. The shared one is emptied: the
// kernel has bounded what each port puts into it.
const (
	budget      = 8
	sharedCalls = 16
)

// ownBuffer is the buffer of a port's own socket, in octets as the kernel counts them: about a second of voice. More would only hide a
// delay.
const ownBuffer = 64 << 10

// watch makes an inlet of a socket; p is nil for a shared one. It asks for one event per arrival (edge-triggered): the kernel then
// looks at a socket once per event and not a second time to find it empty. What stays behind is remembered in backlog instead.
func (t *thread) watch(fd int, p *port) (*inlet, error) {
	in := &inlet{fd: fd, place: len(t.inlets), port: p, most: budget, calls: 1}
	if p == nil {
		in.most, in.calls = slots, sharedCalls
	} else { // best effort: another buffer changes nothing but how much is heard after a stall
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, ownBuffer/2) // the kernel doubles it
	}
	if k := len(t.free); k > 0 {
		in.place, t.free = t.free[k-1], t.free[:k-1]
		t.inlets[in.place] = in
	} else {
		t.inlets = append(t.inlets, in)
	}
	if err := t.expect(fd, in.place); err != nil {
		t.forget(in)
		return nil, err
	}
	return in, nil
}

// share makes inlets of the sockets that all ports of the thread share.
func (t *thread) share(fds [steer.Families]int) error {
	for _, fd := range fds {
		if fd < 0 {
			continue
		}
		in, err := t.watch(fd, nil)
		if err != nil {
			return err
		}
		t.shared = append(t.shared, in)
	}
	return nil
}

// unshare undoes share before the sockets are closed.
func (t *thread) unshare() {
	for _, in := range t.shared {
		t.forget(in)
	}
	t.shared = nil
}

// checkShared says when a shared socket overflowed: the thread had no processor for a long time, or has more calls than it can bear.
func (t *thread) checkShared() {
	for _, in := range t.shared {
		if drops := kernelDrops(in.fd); drops != in.drops {
			lost := drops - in.drops
			in.drops = drops
			t.relay.events.post(func() { t.log.Warn("media packets are lost: the relay is too slow", "packets", lost) })
		}
	}
}

func (t *thread) expect(fd, place int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(place)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &e))
}

func (t *thread) forget(in *inlet) {
	t.inlets[in.place] = nil
	t.free = append(t.free, in.place)
}

// drain relays the packets of an inlet and returns how many there were.
func (t *thread) drain(in *inlet) (packets int) {
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
	t.backlog = append(t.backlog, in.place)
	return packets
}

// relayOwn relays what was read from a port's own socket into n slots.
func (t *thread) relayOwn(p *port, first, n int) {
	strangers := p.leg.stats.foreign
	for i := first; i < first+n; i++ {
		t.take(p, i)
	}
	if p.leg.stats.foreign-strangers >= shieldAt {
		t.shield(p)
	}
}

// relayShared relays what was read from a shared socket. A port may have been closed since.
//
// All ports are looked up before the first packet is relayed; warm says why.
func (t *thread) relayShared(first, n int) {
	ports := t.found[:n]
	for i := range ports {
		ports[i] = t.table.find(t.input.sentTo(first + i))
	}
	for _, p := range ports {
		if p != nil {
			t.warmed += p.leg.warm()
		}
	}
	for i, p := range ports {
		if p != nil {
			t.take(p, first+i)
		}
	}
}

// take relays the packet in a slot.
func (t *thread) take(p *port, slot int) {
	size, from, cut := t.input.packet(slot)
	if cut {
		p.leg.stats.invalid++
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
	names   [slots]sockaddr
	control [slots]control
}

// slots is how many packets may be between receiving and sending.
const slots = 128

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
	_    [4]byte
}

// control is room for the one message that a shared socket adds to a packet: the address that it was sent to.
type control struct {
	head unix.Cmsghdr
	name sockaddr
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

// read fills free slots and returns how many. The socket is not blocking: the system call is too short for the scheduler to know.
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

func (in *input) packet(i int) (size int, from address, cut bool) {
	h := &in.heads[i]
	return int(h.n), in.names[i].address(), h.head.Flags&unix.MSG_TRUNC != 0
}

// sentTo is the local address of a packet from a shared socket.
func (in *input) sentTo(i int) address {
	if in.heads[i].head.Controllen == 0 {
		return address{}
	}
	return in.control[i].name.address()
}
