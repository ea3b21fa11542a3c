// Package capture takes packets from a network port as they pass, for those who look for a fault.
//
// It owns the packet socket, its filter, and the line by which a packet is shown. It does not own where packets go: callers print them, or
// write them as pcapng. It has no goroutines; Run works on that of its caller, until its context ends.
package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"viaduct/appliance/sockfilter"
)

// Options say what to take.
type Options struct {
	Device string
	Host   netip.Addr     // IPv4 address of one end; not valid: every host
	Except netip.AddrPort // TCP packets to and from here are left out: those of the session that looks on
}

// Frame is a packet with its Ethernet header. Data is valid until the next one.
type Frame struct {
	Time   time.Time
	Sent   bool // by the box
	Data   []byte
	Length int // octets on the wire; Data may have fewer
}

// Kept is how much of a packet is taken: more than any port carries at once.
const Kept = 2048

// buffered is what the kernel holds back while a slow reader writes.
const buffered = 4 << 20

// Result is what became of the packets.
type Result struct {
	Taken, Lost int // lost: they came faster than they were taken
}

// Run calls each for every packet until ctx ends or each fails. The end of ctx is no error.
func Run(ctx context.Context, o Options, each func(Frame) error) (r Result, err error) {
	f, raw, err := open(o)
	if err != nil {
		return r, err
	}
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, Kept)
	for {
		frame, err := next(raw, buffer)
		switch {
		case ctx.Err() != nil:
			r.Lost = lost(raw)
			return r, nil
		case err != nil:
			return r, fmt.Errorf("capture on %s: %w", o.Device, err)
		}
		if o.Except.IsValid() && Parse(frame.Data).between(o.Except) {
			continue
		}
		r.Taken++
		if err := each(frame); err != nil {
			r.Lost = lost(raw)
			return r, err
		}
	}
}

// open makes a packet socket that waits in the poller, so that a deadline ends a read.
func open(o Options) (*os.File, rawConn, error) {
	device, err := net.InterfaceByName(o.Device)
	if err != nil {
		return nil, nil, fmt.Errorf("capture on %s: %w", o.Device, err)
	}
	// The socket gets packets only once it is bound to the protocol below: before that the filter is not there yet.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("capture on %s: %w", o.Device, os.NewSyscallError("socket", err))
	}
	f := os.NewFile(uintptr(fd), "capture")
	raw, err := f.SyscallConn()
	if err == nil && o.Host.IsValid() {
		err = sockfilter.Attach(fd, host(o.Host))
	}
	if err == nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffered) // with less, more packets are lost, and counted
		all := uint16(unix.ETH_P_ALL)
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: device.Index}))
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("capture on %s: %w", o.Device, err)
	}
	return f, raw, nil
}

// rawConn is the socket as the poller sees it.
type rawConn interface {
	Read(func(fd uintptr) bool) error
	Control(func(fd uintptr)) error
}

// next waits for a packet.
func next(raw rawConn, buffer []byte) (Frame, error) {
	var n int
	var from unix.Sockaddr
	var err error
	if failed := raw.Read(func(fd uintptr) bool {
		n, from, err = unix.Recvfrom(int(fd), buffer, unix.MSG_TRUNC)
		return !errors.Is(err, unix.EAGAIN)
	}); failed != nil {
		return Frame{}, failed
	}
	if err != nil {
		return Frame{}, os.NewSyscallError("recvfrom", err)
	}
	link, _ := from.(*unix.SockaddrLinklayer)
	return Frame{Time: time.Now(), Sent: link != nil && link.Pkttype == unix.PACKET_OUTGOING, Data: buffer[:min(n, len(buffer))], Length: n}, nil
}

// lost is how many packets the kernel dropped because the socket's buffer was full.
func lost(raw rawConn) (n int) {
	_ = raw.Control(func(fd uintptr) {
		if s, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			n = int(s.Drops)
		}
	})
	return n
}

// host is a filter for the IPv4 and ARP packets of one host. The kernel takes VLAN tags out of packets before filters see them.
func host(a netip.Addr) []bpf.Instruction {
	b := a.As4()
	want := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	const typeAt, source, destination, arpSource, arpTarget = 12, 26, 30, 28, 38
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: typeAt, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_ARP, SkipTrue: 5},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 8},
		bpf.LoadAbsolute{Off: source, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: want, SkipTrue: 7},
		bpf.LoadAbsolute{Off: destination, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: want, SkipTrue: 5, SkipFalse: 4},
		bpf.LoadAbsolute{Off: arpSource, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: want, SkipTrue: 3},
		bpf.LoadAbsolute{Off: arpTarget, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: want, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1 << 18},
	}
}
