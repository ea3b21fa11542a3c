package dhcp

import (
	"fmt"
	"os"

	"viaduct/appliance/sockfilter"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

var errClosed = os.ErrClosed

// filter accepts IPv4 packets to the UDP port of a client. It drops fragments: they have no UDP header to look at.
var filter = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 12, Size: 2}, // EtherType
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IP, SkipFalse: 8},
	bpf.LoadAbsolute{Off: ethernetSize + 9, Size: 1}, // IP protocol
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipFalse: 6},
	bpf.LoadAbsolute{Off: ethernetSize + 6, Size: 2}, // fragment offset
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
	bpf.LoadMemShift{Off: ethernetSize},              // X is the length of the IP header
	bpf.LoadIndirect{Off: ethernetSize + 2, Size: 2}, // destination port
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: clientPort, SkipFalse: 1},
	bpf.RetConstant{Val: 0xffff},
	bpf.RetConstant{Val: 0},
}

// Open opens a packet socket on a device of the calling thread's namespace.
func Open(index int) (Conn, error) {
	// Without a protocol the socket hears nothing before it has its filter and its device.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	err = sockfilter.Attach(fd, filter)
	if err == nil {
		const networkOrder = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder, Ifindex: index})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}
