// Package sockfilter gives a socket a classic BPF filter. The kernel runs the filter on each packet and drops what it does not accept,
// before the packet takes room in the socket's buffer.
//
// Callers write their filters with golang.org/x/net/bpf. The package has no state and no goroutines.
package sockfilter

import (
	"fmt"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Attach replaces the filter of a socket. What the program returns is how many octets of a packet the socket keeps; 0 drops the packet.
func Attach(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	f := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f))
}

// Detach removes the filter of a socket, if it has one.
func Detach(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // fails only when none is attached
}
