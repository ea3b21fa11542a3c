package mediatest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Floor is a relay that does the least that one can: a datagram that comes on one socket leaves by the other as it is. What it adds to a
// packet's way is the machine's. With a rest it looks at its sockets no more often than that, as the relay of a box does, so the difference
// between the two is what packets pay for being relayed together, and what a box has above the second is its own.
type Floor struct {
	a, b netip.AddrPort
	pid  int
}

// floorOrder is what the process of a Floor is told.
type floorOrder struct {
	A, B netip.AddrPort // where the generator is
	Rest time.Duration
}

// StartFloor starts one between two sockets and a generator.
func StartFloor(t testing.TB, a, b net.PacketConn, g *Generator, rest time.Duration) *Floor {
	t.Helper()
	f := &Floor{a: address(a), b: address(b)}
	cmd, in, out := start(t, passing, 0, a, b)
	f.pid = cmd.Process.Pid
	err := json.NewEncoder(in).Encode(floorOrder{g.A, g.B, rest})
	if err == nil {
		_, err = io.ReadFull(out, make([]byte, 1)) // it is on its processor
	}
	if err != nil {
		t.Fatalf("floor: %v", err)
	}
	return f
}

// Measure loads it for a while with so many calls of a generator.
func (f *Floor) Measure(b *testing.B, g *Generator, calls int, length time.Duration) Result {
	b.Helper()
	plan := Plan{Duration: length}
	for range calls {
		plan.Calls = append(plan.Calls, Call{A: f.a, B: f.b})
	}
	WantPinned(b, f.pid)
	result, used := g.Run(b, plan, func() time.Duration { return OnFirst(b, f.pid) })
	result.Report(b, plan, used)
	return result
}

// pass is the whole life of the process.
func pass(in io.Reader, out io.Writer) error {
	var order floorOrder
	if err := json.NewDecoder(in).Decode(&order); err != nil {
		return fmt.Errorf("read order: %w", err)
	}
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(2) // this thread keeps one
	go func() {
		_, _ = io.Copy(io.Discard, in)
		os.Exit(0)
	}()
	if err := favour(); err != nil {
		return err
	}
	var sides [2]*socket
	var waits [2]unix.PollFd
	for i, peer := range []netip.AddrPort{order.A, order.B} {
		to := sockaddr(peer)
		sides[i] = newSocket(3 + i)
		waits[i] = unix.PollFd{Fd: int32(sides[i].fd), Events: unix.POLLIN}
		if _, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(sides[i].fd), uintptr(unsafe.Pointer(&to)), unix.SizeofSockaddrInet4); errno != 0 {
			return fmt.Errorf("connect: %w", errno)
		}
	}
	_, _ = out.Write([]byte{0})
	for {
		_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&waits[0])), 2, 0, 0, 0, 0)
		began := time.Now()
		for full := true; full; {
			full = sides[0].passTo(sides[1]) == batch
			full = sides[1].passTo(sides[0]) == batch || full
		}
		sleep(order.Rest - time.Since(began))
	}
}

// passTo sends by another socket what has come, and returns how many packets.
func (s *socket) passTo(other *socket) int {
	n := s.receive()
	for i := range n {
		other.outIovs[i].Base = &s.inBytes[i][0]
		other.outIovs[i].SetLen(int(s.in[i].n))
		other.out[i].head.Name, other.out[i].head.Namelen = nil, 0 // it is connected
	}
	other.queued = n
	_ = other.flush() // the generator misses what is lost
	return n
}
