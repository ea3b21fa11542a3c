package media

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// efTOS is DSCP EF (46) as the TOS octet.
const efTOS = 0xb8

func (p PortOptions) withDefaults() PortOptions {
	if p.First == 0 && p.Last == 0 {
		p.First, p.Last = 16384, 32767
	}
	switch {
	case p.TOS == 0:
		p.TOS = efTOS
	case p.TOS < 0:
		p.TOS = 0
	}
	p.Addr = p.Addr.Unmap()
	return p
}

// bindUDP makes a non-blocking socket in the network namespace of the calling thread.
func bindUDP(local netip.AddrPort, tos int) (fd int, err error) {
	family := familyOf(local.Addr())
	fd, err = unix.Socket(int(family), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("media socket: %w", os.NewSyscallError("socket", err))
	}
	if err := errors.Join(setTOS(fd, family, tos), bindTo(fd, local)); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("media socket %s: %w", local, err)
	}
	return fd, nil
}

func familyOf(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
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

// bindPair takes a pair of ports from the pool and binds both. Ports that somebody else has are skipped.
func (r *Relay) bindPair(p PortOptions) (port uint16, fds [2]int, err error) {
	from := portRange{p.Addr, p.First, p.Last}
	var taken []uint16
	defer func() {
		for _, t := range taken {
			r.pools.release(from, t, time.Now())
		}
	}()
	for {
		if port, err = r.pools.acquire(from, time.Now()); err != nil {
			return 0, fds, err
		}
		fds[0], err = bindUDP(netip.AddrPortFrom(p.Addr, port), p.TOS)
		if err == nil {
			if fds[1], err = bindUDP(netip.AddrPortFrom(p.Addr, port+1), p.TOS); err == nil {
				return port, fds, nil
			}
			unix.Close(fds[0])
		}
		taken = append(taken, port)
		if !errors.Is(err, unix.EADDRINUSE) || len(taken) == 64 {
			return 0, fds, err
		}
	}
}
