// Package pnp answers phones that ask the whole network where their settings are: SUBSCRIBE for ua-profile to 224.0.1.75, which makers call SIP
// plug and play, after RFC 6080.
//
// It owns the group's socket and the answers. It keeps nothing of who asked: each SUBSCRIBE gets 200 and one NOTIFY, and who misses them asks again.
// It does not own the URL. It has no goroutine but its caller's.
package pnp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"viaduct/appliance/sipmsg"

	"golang.org/x/sys/unix"
)

// Device is what a phone says of itself. All of it may be hostile.
type Device struct {
	Vendor, Model, Version string
	MAC                    string // as it stands in the address, "" if there is none
}

// Bounds.
const (
	maxDatagram = 4 << 10
	answers     = 50 // a second
	maxWord     = 64 // octets of a word of Device
)

// Responder is a group that has been joined.
type Responder struct {
	group *net.UDPConn // receives
	own   *net.UDPConn // sends
	lan   netip.Prefix // whose phones are answered
}

// Join joins a group on the network of an address of ours.
func Join(group netip.AddrPort, local netip.Addr) (*Responder, error) {
	index, lan, err := networkOf(local)
	if err != nil {
		return nil, err
	}
	in, err := member(group, index)
	if err != nil {
		return nil, fmt.Errorf("join %s: %w", group.Addr(), err)
	}
	own, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		in.Close()
		return nil, err
	}
	own.SetReadBuffer(1) // nobody reads what phones answer
	return &Responder{in, own, lan}, nil
}

// networkOf is the device that has an address, and its network.
func networkOf(local netip.Addr) (index int, lan netip.Prefix, err error) {
	devices, err := net.Interfaces()
	if err != nil {
		return 0, lan, err
	}
	for _, d := range devices {
		addrs, err := d.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr() == local {
				return d.Index, p.Masked(), nil
			}
		}
	}
	return 0, lan, fmt.Errorf("no device has the address %s", local)
}

// member is a socket of the group alone. Package net would bind it to every address, where a SIP gateway has the same port.
func member(group netip.AddrPort, index int) (*net.UDPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "group")
	defer file.Close()
	for _, set := range []func() error{
		func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) },     // several networks have one socket each,
		func() error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0) }, // which hears its own network only
		func() error {
			return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(index)})
		},
		func() error {
			return unix.Bind(fd, &unix.SockaddrInet4{Port: int(group.Port()), Addr: group.Addr().As4()})
		},
	} {
		if err := set(); err != nil {
			return nil, err
		}
	}
	c, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// Serve answers until ctx ends, and leaves the group. url is what a phone is told.
func (r *Responder) Serve(ctx context.Context, url func(Device) string) error {
	defer r.own.Close()
	defer context.AfterFunc(ctx, func() { r.group.Close() })()
	defer r.group.Close()
	buffer := make([]byte, maxDatagram)
	var second time.Time
	left := 0
	for {
		n, from, err := r.group.ReadFromUDPAddrPort(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if now := time.Now(); now.Sub(second) >= time.Second {
			second, left = now, answers
		}
		if left == 0 || !r.lan.Contains(from.Addr()) {
			continue
		}
		ok, notify, to, err := answer(buffer[:n], from, r.own.LocalAddr().(*net.UDPAddr).AddrPort(), url)
		if err != nil {
			continue
		}
		left--
		r.own.WriteToUDPAddrPort(ok, to)
		r.own.WriteToUDPAddrPort(notify, to)
	}
}

var errOther = errors.New("no SUBSCRIBE for ua-profile")

// answer makes the response to a datagram, the NOTIFY behind it, and where both go: to who sent it, whatever is written inside.
func answer(datagram []byte, from, own netip.AddrPort, url func(Device) string) (ok, notify []byte, to netip.AddrPort, err error) {
	head, body, f := sipmsg.FrameDatagram(datagram)
	p := sipmsg.Parse(head, body, f, from)
	req := p.Request
	if p.Err != nil || req == nil || p.Fault != nil || req.Method != "SUBSCRIBE" || !req.ViaOK || req.FromTag == "" || req.ToTag != "" || req.CallID == "" || req.SeqMethod != "SUBSCRIBE" {
		return nil, nil, to, errOther
	}
	event, params, _ := strings.Cut(req.Header("Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "ua-profile") {
		return nil, nil, to, errOther
	}
	to = from
	if !req.Via.RPort {
		to = netip.AddrPortFrom(from.Addr(), max(req.Via.Port, 1))
		if req.Via.Port == 0 {
			to = netip.AddrPortFrom(from.Addr(), 5060)
		}
	}
	word := func(name string) string {
		v, _ := sipmsg.Param(params, name)
		return strings.Trim(v[:min(len(v), maxWord)], `"`)
	}
	d := Device{Vendor: word("vendor"), Model: word("model"), Version: word("version"), MAC: macOf(req.From.User())}
	contact := "<sip:" + own.String() + ">"
	tag := sipmsg.Token(10)
	ok = sipmsg.RenderResponse(req, 200, "OK", tag, "", nil, "", []sipmsg.Header{{Name: "Contact", Value: contact}, {Name: "Expires", Value: "0"}})
	target := req.Target()
	if sipmsg.SplitURI(target).Host != from.Addr().String() {
		target = "sip:" + to.String()
	}
	n, err := sipmsg.NewRequest("NOTIFY", target, []sipmsg.Header{
		{Name: "From", Value: req.ToText + ";tag=" + tag}, {Name: "To", Value: req.FromText}, {Name: "Call-ID", Value: req.CallID}, {Name: "CSeq", Value: "1 NOTIFY"},
		{Name: "Contact", Value: contact}, {Name: "Max-Forwards", Value: "70"}, {Name: "Event", Value: "ua-profile;effective-by=0"},
		{Name: "Subscription-State", Value: "terminated;reason=timeout"},
	}, []byte(url(d)), "application/url")
	if err != nil {
		return nil, nil, to, err
	}
	return ok, sipmsg.Render(n, "SIP/2.0/UDP "+own.String()+";branch="+sipmsg.NewBranch()+";rport"), to, nil
}

// macOf reads the hardware address in the user part: MAC%3a000413000001, as makers write it.
func macOf(user string) string {
	rest := strings.ToLower(user)
	for _, begin := range []string{"mac%3a", "mac:", "mac"} {
		if mac, is := strings.CutPrefix(rest, begin); is {
			return mac[:min(len(mac), maxWord)]
		}
	}
	return ""
}
