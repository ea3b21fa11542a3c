package vrrp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"viaduct/appliance/sockfilter"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	inquiry    = time.Second             // how often the network is asked who has the virtual addresses, while the box has not
	claimLasts = 2500 * time.Millisecond // how long an answer counts: two of them may be lost
)

// claim is what somebody says in ARP: it has an address.
type claim struct {
	address netip.Addr
	mac     net.HardwareAddr
}

// Offsets in an Ethernet frame with ARP.
const (
	frameType = 12
	arpSender = 22 // hardware address, then IPv4
	arpSize   = 42
)

// claimFilter accepts ARP of senders with one of the addresses.
func claimFilter(addrs []netip.Addr) []bpf.Instruction {
	list := []bpf.Instruction{
		bpf.LoadAbsolute{Off: frameType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadAbsolute{Off: arpSender + 6, Size: 4},
	}
	for _, a := range addrs {
		list = append(list, bpf.JumpIf{Cond: bpf.JumpEqual, Val: number(a), SkipFalse: 1}, bpf.RetConstant{Val: keep})
	}
	return append(list, bpf.RetConstant{Val: 0})
}

// openARP opens a packet socket that hears claims of addresses, and sends. Without any it hears nothing.
func openARP(index int, addrs []netip.Addr) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = sockfilter.Attach(fd, claimFilter(addrs))
	if err == nil {
		const networkOrder = unix.ETH_P_ARP>>8 | unix.ETH_P_ARP&0xff<<8
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder, Ifindex: index}))
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}

// hearClaims takes claims of the virtual addresses. It looks at fifty in a second.
func (p *port) hearClaims(s *station) {
	b := make([]byte, 128)
	for {
		n, err := s.arp.Read(b)
		if errors.Is(err, unix.ENETDOWN) {
			continue // it is said once; the socket works again when the device does
		}
		if err != nil {
			s.failed <- err
			return
		}
		if n < arpSize {
			continue
		}
		c := claim{address: netip.AddrFrom4([4]byte(b[arpSender+6:])), mac: slices.Clone(b[arpSender : arpSender+6])}
		select {
		case p.claims <- c:
		case <-s.ending:
		}
		select {
		case <-s.ending:
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// wasClaimed notes that somebody else has a virtual address, or says so.
func (p *port) wasClaimed(s *station, c claim) {
	if bytes.Equal(c.mac, s.link.Attrs().HardwareAddr) || !slices.Contains(p.Virtual, c.address) {
		return
	}
	p.claimed = time.Now()
	p.update(func(st *State) { st.Taken, st.By = true, c.mac.String() })
}

// inquire asks the network who has the virtual addresses, while the box has not.
func (p *port) inquire(s *station) {
	if p.holds() {
		return
	}
	for _, v := range p.Virtual {
		p.ask4(s, p.Own.Addr(), v)
	}
}
