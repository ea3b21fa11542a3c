package vrrp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"

	"viaduct/appliance/sockfilter"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// station is what a port has while its device is there: sockets at it, and a way to change its addresses.
type station struct {
	link      netlink.Link // of the port's run
	index     int
	kernel    *netlink.Handle
	box       *ipv4.PacketConn // VRRP of the other box; ours is sent here
	strangers *ipv4.PacketConn // VRRP with the pair's number of anybody else
	echo      *ipv4.PacketConn // answers of witnesses
	arp       *os.File         // announcements are sent here, and claims heard
	announce  string           // what the kernel's ARP requests named as their sender before; "": it was left alone
	closing   []func() error
	readers   sync.WaitGroup
	failed    chan error    // one of each that reads, at most
	ending    chan struct{} // closed when the station ends
}

// open opens the sockets. Those of the box and of strangers are apart: what strangers send fills a buffer of its own, and never that of the other box.
func (p *port) open() (*station, error) {
	if !p.Own.Addr().Is4() || !p.Others.Is4() {
		return nil, errNoIPv4
	}
	s := &station{failed: make(chan error, 4), ending: make(chan struct{})}
	err := p.o.Within(func() error { return p.openAll(s) })
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

var errNoIPv4 = errors.New("a pair has addresses of IPv4 alone")

func (p *port) openAll(s *station) (err error) {
	if s.kernel, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	s.closing = append(s.closing, func() error { s.kernel.Close(); return nil })
	if s.link, err = s.kernel.LinkByName(p.Device); err != nil {
		return fmt.Errorf("find device %s: %w", p.Device, err)
	}
	s.index = s.link.Attrs().Index
	if s.box, err = s.listen(protocol, p.fromOther()); err != nil {
		return fmt.Errorf("open socket of VRRP at %s: %w", p.Device, err)
	}
	if s.strangers, err = s.listen(protocol, p.fromStrangers()); err != nil {
		return fmt.Errorf("open socket of VRRP at %s: %w", p.Device, err)
	}
	device := &net.Interface{Index: s.index, Name: p.Device}
	for _, c := range []*ipv4.PacketConn{s.box, s.strangers} {
		if err = c.JoinGroup(device, &net.UDPAddr{IP: group.AsSlice()}); err != nil {
			return fmt.Errorf("join the group of VRRP at %s: %w", p.Device, err)
		}
	}
	const internetworkControl = 0xc0 // as RFC 9568's routers do: before everything else in a queue
	if err = errors.Join(s.box.SetMulticastTTL(hops), s.box.SetMulticastLoopback(false), s.box.SetTOS(internetworkControl)); err != nil {
		return fmt.Errorf("prepare socket of VRRP at %s: %w", p.Device, err)
	}
	if s.echo, err = s.listen(unix.IPPROTO_ICMP, p.answers()); err != nil {
		return fmt.Errorf("open socket of echoes at %s: %w", p.Device, err)
	}
	if s.arp, err = openARP(s.index, p.Virtual); err != nil {
		return fmt.Errorf("open socket of ARP at %s: %w", p.Device, err)
	}
	s.closing = append(s.closing, s.arp.Close)
	p.ownAddressInARP(s)
	return nil
}

// listen opens a socket of a protocol of IP at the device. It hears nothing before it has its filter.
func (s *station) listen(protocol int, filter []bpf.Instruction) (*ipv4.PacketConn, error) {
	l := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		controlled := raw.Control(func(fd uintptr) {
			err = errors.Join(sockfilter.Attach(int(fd), filter), os.NewSyscallError("setsockopt SO_BINDTOIFINDEX",
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, s.index)))
		})
		return errors.Join(controlled, err)
	}}
	c, err := l.ListenPacket(context.Background(), "ip4:"+strconv.Itoa(protocol), "0.0.0.0") // nothing to wait for
	if err != nil {
		return nil, err
	}
	s.closing = append(s.closing, c.Close)
	if protocol != unix.IPPROTO_ICMP {
		if err := c.(*net.IPConn).SetReadBuffer(boxBuffer); err != nil {
			return nil, err
		}
	}
	conn := ipv4.NewPacketConn(c)
	return conn, conn.SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst|ipv4.FlagInterface, true)
}

// close ends the station and waits for what reads its sockets.
func (s *station) close() {
	close(s.ending)
	for _, f := range s.closing {
		_ = f() // nothing is written to them that could be lost
	}
	s.readers.Wait()
}

// Filters see a packet from its IP header on.
const (
	ipTTL    = 8
	ipSource = 12
	keep     = 0xffff
)

// fromOther accepts what the other box says about this pair.
func (p *port) fromOther() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: ipSource, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: number(p.Others), SkipFalse: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 1, Size: 1}, // the number of the virtual router
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(p.o.Router), SkipFalse: 1},
		bpf.RetConstant{Val: keep},
		bpf.RetConstant{Val: 0},
	}
}

// fromStrangers accepts what others in this network say about a pair with this number. What comes from further away nobody obeys anyway.
func (p *port) fromStrangers() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: ipTTL, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: hops, SkipFalse: 7},
		bpf.LoadAbsolute{Off: ipSource, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: number(p.Others), SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: number(p.Own.Addr()), SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 1, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(p.o.Router), SkipFalse: 1},
		bpf.RetConstant{Val: keep},
		bpf.RetConstant{Val: 0},
	}
}

// answers accepts answers to this port's echoes.
func (p *port) answers() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(ipv4.ICMPTypeEchoReply), SkipFalse: 3},
		bpf.LoadIndirect{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(p.id), SkipFalse: 1},
		bpf.RetConstant{Val: keep},
		bpf.RetConstant{Val: 0},
	}
}

// number is an IPv4 address as a filter compares it.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// announceSetting is where the kernel keeps what its ARP requests name as their sender.
func (p *port) announceSetting() string {
	return "/proc/sys/net/ipv4/conf/" + p.Device + "/arp_announce"
}

// ownAddressInARP has the kernel's ARP requests name the box's own address. By default they name that of the packet which waits for the answer: a box that
// has lost a virtual address to the other one without noticing would draw it back with each request. Without the setting that takes a little longer to
// find out, so it is no error when it fails.
func (p *port) ownAddressInARP(s *station) {
	const bestLocal = "2"
	old, err := os.ReadFile(p.announceSetting())
	if err == nil && string(old[:max(len(old)-1, 0)]) != bestLocal && os.WriteFile(p.announceSetting(), []byte(bestLocal), 0) == nil {
		s.announce = string(old)
	}
}

// restoreARP sets back what ownAddressInARP has set.
func (p *port) restoreARP(s *station) {
	if s.announce != "" {
		_ = p.o.Within(func() error { return os.WriteFile(p.announceSetting(), []byte(s.announce), 0) }) // the device may be gone
	}
}
