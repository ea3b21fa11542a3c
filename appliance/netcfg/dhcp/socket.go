package dhcp

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

var errClosed = os.ErrClosed

// filter lets IPv4 packets to the UDP port of a client through, no fragments.
var filter = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.ETH_P_IP, Jf: 8},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: ethernetSize + 9},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_UDP, Jf: 6},
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: ethernetSize + 6},
	{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x1fff, Jt: 4},
	{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: ethernetSize},
	{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: ethernetSize + 2},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: clientPort, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// Open opens a packet socket on a device of the calling thread's namespace.
func Open(index int) (Conn, error) {
	// Without a protocol the socket hears nothing before it has its filter and its device.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
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
