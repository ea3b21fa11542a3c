package media

import (
	"errors"
	"fmt"
	"net/netip"

	"viaduct/appliance/media/ports"
	"viaduct/appliance/media/wire"
	"viaduct/appliance/steer"

	"golang.org/x/sys/unix"
)

// port is one UDP port of a leg, and the socket that is bound to it.
type port struct {
	leg    *leg
	header *wire.Header
	local  wire.Address
	next   *port // of the same number at another address
	which  int   // rtp or rtcp
	family uint16

	flooded   bool   // logged; the port's own socket has a filter
	hurried   bool   // logged: packets come too fast
	route     *route // that the last packet took
	fd        int
	steered   *steer.Port // nil: packets are read from fd
	rx        *rxSocket   // of fd; nil with steering
	strangers uint64      // packets that the kernel turned away, as checkFlood saw them last
	excess    uint64      // and packets that came too fast
}

// portTable finds a port by the local address that a packet was sent to.
type portTable [256]*[256]*port

func (t *portTable) find(to wire.Address) *port {
	page := t[to.Port>>8]
	if page == nil {
		return nil
	}
	for p := page[to.Port&0xff]; p != nil; p = p.next {
		if p.local == to {
			return p
		}
	}
	return nil
}

func (t *portTable) add(p *port) {
	page := &t[p.local.Port>>8]
	if *page == nil {
		*page = new([256]*port)
	}
	first := &(*page)[p.local.Port&0xff]
	p.next, *first = *first, p
}

func (t *portTable) remove(p *port) {
	at := &t[p.local.Port>>8][p.local.Port&0xff]
	for *at != p {
		at = &(*at).next
	}
	*at, p.next = p.next, nil
}

// openPorts adds a side's two ports: both, or none when it fails. It takes over the sockets and closes them on failure.
func (t *thread) openPorts(l *leg, fds [2]int) error {
	for which, fd := range fds {
		p, err := t.newPort(l, which, fd)
		if err != nil {
			t.closePorts(l)
			for _, fd := range fds[which:] {
				unix.Close(fd)
			}
			return err
		}
		l.local.ports[which] = p
	}
	l.in.since = t.now
	t.legs[l] = struct{}{}
	return nil
}

func (t *thread) newPort(l *leg, which, fd int) (*port, error) {
	if t.commands.ended {
		return nil, errEnded
	}
	local := netip.AddrPortFrom(l.local.addr, l.local.number+uint16(which))
	h := wire.NewHeader(local, l.local.tos)
	p := &port{fd: fd, leg: l, which: which, family: ports.FamilyOf(l.local.addr), local: wire.AddressOf(local), header: &h}
	var err error
	if s := t.relay.steering; s == nil {
		p.rx, err = t.watch(fd, p)
	} else if p.steered, err = s.Add(local, t.number); err == nil {
		t.table.add(p)
	}
	if errors.Is(err, steer.ErrFull) {
		err = fmt.Errorf("%w: all of %d are in use", ErrNoPort, steeredPorts)
	}
	return p, err
}

// closePorts closes a side's ports.
func (t *thread) closePorts(l *leg) {
	for which, p := range l.local.ports {
		if p == nil {
			continue
		}
		if p.steered != nil {
			p.steered.Remove()
			t.table.remove(p)
		} else {
			t.unwatch(p.rx)
		}
		unix.Close(p.fd) // takes it out of epoll too
		l.local.ports[which] = nil
	}
	delete(t.legs, l)
}

// dropped counts the packets that the kernel dropped: those of strangers, and others.
func (p *port) dropped() (strangers, others uint64) {
	if p.steered == nil {
		return 0, kernelDrops(p.fd)
	}
	return p.steered.Dropped()
}
