package siptransport

import (
	"net/netip"
	"sync"
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
