// Package ports hands out pairs of UDP ports for media, and binds them.
//
// It owns which ports are free, which rest, and how a socket is bound. It does not own the sockets: package media reads them. It has no goroutines, and
// its pools are safe for concurrent use.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNone is the error when no port is free.
var ErrNone = errors.New("no free media port")

// Options say where a side's ports are.
type Options struct {
	Addr  netip.Addr `json:"addr"`            // local address of the side's network
	First uint16     `json:"first,omitempty"` // range; 0, 0 is 16384 to 32767. RTP takes an even port, RTCP the odd one above
	Last  uint16     `json:"last,omitempty"`
	TOS   int        `json:"tos,omitempty"` // IP TOS octet; 0 is EF (0xb8), negative is none
}

// Pools hand out pairs of ports, one pool for each local address and range. Ranges of one address may overlap: gateways share it, or
// the configuration has changed.
type Pools struct {
	mu         sync.Mutex
	quarantine time.Duration
	byRange    map[portRange]*pool
	rests      map[netip.AddrPort]time.Time // until when the RTP port that a call had stays unusable
}

// NewPools makes pools whose ports rest for a quarantine.
func NewPools(quarantine time.Duration) *Pools {
	return &Pools{quarantine: quarantine, byRange: map[portRange]*pool{}, rests: map[netip.AddrPort]time.Time{}}
}

type portRange struct {
	addr        netip.Addr
	first, last uint16
}

func (o Options) portRange() portRange { return portRange{o.Addr, o.First, o.Last} }

// pool is a queue of even ports, the longest unused first. A freed port goes to its end and rests for the quarantine: late packets of
// the call that had it would reach the next one. The order is random, so that a stranger cannot tell the next call's port from his own.
type pool struct{ free []uint16 }

// Where all ports of a pool rest, the one that has rested longest is given out if it has done so for a part of the quarantine: a box that
// carries more calls than it has ports for would refuse them otherwise, with the work of half a call each.
const (
	hurried = 5  // the quarantine is divided by it
	looked  = 16 // ports at the head of the queue: ranges may overlap, so its order is not exactly theirs
)

func (p *Pools) acquire(r portRange, now time.Time) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, err := p.of(r)
	if err != nil {
		return 0, err
	}
	best, rested := -1, p.quarantine/hurried-p.quarantine
	for i, port := range from.free[:min(looked, len(from.free))] {
		past := now.Sub(p.rests[netip.AddrPortFrom(r.addr, port)]) // negative while it rests
		if past >= rested {
			best, rested = i, past
		}
		if past >= 0 {
			break
		}
	}
	if best >= 0 {
		port := from.free[best]
		from.free[best] = from.free[0]
		from.free = from.free[1:]
		return port, nil
	}
	return 0, fmt.Errorf("%w: %s, ports %d to %d, %d of them resting", ErrNone, r.addr, r.first, r.last, 2*len(from.free))
}

// Take takes a certain pair of ports and binds both, even if they rest: a call that is restored goes on with them. The box need not have their address
// yet.
func (p *Pools) Take(o Options, port uint16) (fds [2]int, err error) {
	if err := p.take(o.portRange(), port); err != nil {
		return fds, err
	}
	if fds, err = o.bind(port, true); err != nil {
		p.Release(o, port)
	}
	return fds, err
}

func (p *Pools) take(r portRange, port uint16) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	from, err := p.of(r)
	if err != nil {
		return err
	}
	i := slices.Index(from.free, port)
	if i < 0 {
		return fmt.Errorf("%w: %s, port %d is not free", ErrNone, r.addr, port)
	}
	from.free = slices.Delete(from.free, i, i+1)
	return nil
}

func (p *Pools) of(r portRange) (*pool, error) {
	if of := p.byRange[r]; of != nil {
		return of, nil
	}
	made, err := newPool(r)
	if err == nil {
		p.byRange[r] = made
	}
	return made, err
}

func newPool(r portRange) (*pool, error) {
	first, last := int(r.first)+int(r.first)&1, int(r.last)
	if first+1 > last || first == 0 {
		return nil, fmt.Errorf("media ports %d to %d: hold no pair of an even and the next odd port", r.first, r.last)
	}
	p := &pool{}
	for port := first; port+1 <= last; port += 2 {
		p.free = append(p.free, uint16(port))
	}
	rand.Shuffle(len(p.free), func(i, j int) { p.free[i], p.free[j] = p.free[j], p.free[i] })
	return p, nil
}

// Release takes a pair of ports back into its quarantine.
func (p *Pools) Release(o Options, port uint16) { p.release(o.portRange(), port, time.Now()) }

func (p *Pools) release(r portRange, port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rests[netip.AddrPortFrom(r.addr, port)] = now.Add(p.quarantine)
	to := p.byRange[r]
	to.free = append(to.free, port)
}

// EF is DSCP EF (46) as the TOS octet.
const EF = 0xb8

// WithDefaults fills in what is not said.
func (o Options) WithDefaults() Options {
	if o.First == 0 && o.Last == 0 {
		o.First, o.Last = 16384, 32767
	}
	switch {
	case o.TOS == 0:
		o.TOS = EF
	case o.TOS < 0:
		o.TOS = 0
	}
	o.Addr = o.Addr.Unmap()
	return o
}

// bindUDP makes a non-blocking socket in the network namespace of the calling thread. ahead: the box need not have the address yet.
func bindUDP(local netip.AddrPort, tos int, ahead bool) (fd int, err error) {
	family := FamilyOf(local.Addr())
	fd, err = unix.Socket(int(family), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("media socket: %w", os.NewSyscallError("socket", err))
	}
	if ahead {
		err = setFree(fd, family)
	}
	if err := errors.Join(err, setTOS(fd, family, tos), bindTo(fd, local)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("media socket %s: %w", local, err)
	}
	return fd, nil
}

// FamilyOf is the family of an address's sockets.
func FamilyOf(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// setFree lets a socket be bound to an address that the box does not have, or that IPv6 still probes for doubles.
func setFree(fd int, family uint16) error {
	if family == unix.AF_INET {
		return os.NewSyscallError("setsockopt IP_FREEBIND", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_FREEBIND, 1))
	}
	return os.NewSyscallError("setsockopt IPV6_FREEBIND", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1))
}

func setTOS(fd int, family uint16, tos int) error {
	if family == unix.AF_INET {
		return os.NewSyscallError("setsockopt IP_TOS", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, tos))
	}
	return os.NewSyscallError("setsockopt IPV6_TCLASS", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, tos))
}

func bindTo(fd int, local netip.AddrPort) error {
	var to unix.Sockaddr
	if local.Addr().Is4() {
		to = &unix.SockaddrInet4{Port: int(local.Port()), Addr: local.Addr().As4()}
	} else {
		to = &unix.SockaddrInet6{Port: int(local.Port()), Addr: local.Addr().As16()}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, to))
}

// Bind takes a pair of ports from its pool and binds both. Ports that another process has are skipped.
func (p *Pools) Bind(o Options) (port uint16, fds [2]int, err error) {
	from := o.portRange()
	var taken []uint16
	defer func() {
		for _, t := range taken {
			p.release(from, t, time.Now())
		}
	}()
	for {
		if port, err = p.acquire(from, time.Now()); err != nil {
			return 0, fds, err
		}
		if fds, err = o.bind(port, false); err == nil {
			return port, fds, nil
		}
		taken = append(taken, port)
		if !errors.Is(err, unix.EADDRINUSE) || len(taken) == 64 {
			return 0, fds, err
		}
	}
}

// bind binds a pair of ports.
func (o Options) bind(port uint16, ahead bool) (fds [2]int, err error) {
	if fds[0], err = bindUDP(netip.AddrPortFrom(o.Addr, port), o.TOS, ahead); err != nil {
		return fds, err
	}
	if fds[1], err = bindUDP(netip.AddrPortFrom(o.Addr, port+1), o.TOS, ahead); err != nil {
		unix.Close(fds[0])
	}
	return fds, err
}
