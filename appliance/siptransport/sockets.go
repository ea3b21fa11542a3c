package siptransport

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// sockets are those on which a gate listens, or should.
type sockets struct {
	mu        sync.Mutex
	listeners map[listenKey]*listener
}

// closeExcept closes those that are not wanted, and lets go of those that are not open.
func (s *sockets) closeExcept(wanted map[listenKey]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, l := range s.listeners {
		if _, ok := wanted[k]; !ok || l.err != nil {
			l.close()
			delete(s.listeners, k)
		}
	}
}

// noSYN passes all segments but those that begin a connection.
var noSYN = [...]unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},           // the flags
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},        // SYN and ACK
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jf: 1}, // SYN alone
	{Code: unix.BPF_RET | unix.BPF_K},                                // nothing of it
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},                  // all
}

// deaf has those that accept connections not hear of new ones, or hear again. A peer that opens a connection meanwhile is not refused: TCP asks
// again after a second, and the box that has the address by then answers. One that has begun goes on: the other box could not even reset it.
func (s *sockets) deaf(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		t, ok := l.tcp.(*net.TCPListener)
		if !ok {
			continue
		}
		raw, err := t.SyscallConn()
		if err != nil {
			continue
		}
		raw.Control(func(fd uintptr) {
			if on {
				_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(noSYN)), Filter: &noSYN[0]})
			} else {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
			}
		})
	}
}

func (s *sockets) has(k listenKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listeners[k] != nil
}

func (s *sockets) add(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners[l.key] = l
}

// datagrams is the UDP socket of an address; nil: there is none.
func (s *sockets) datagrams(at netip.AddrPort) *datagrams {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.listeners[listenKey{UDP, at}]; l != nil {
		return l.udp
	}
	return nil
}

// broken reports whether one could not be opened.
func (s *sockets) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		if l.err != nil {
			return true
		}
	}
	return false
}
