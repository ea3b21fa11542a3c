package steer

import (
	"errors"
	"net/netip"
	"testing"
)

func TestPlacesForPorts(t *testing.T) {
	s, err := New(2, 2)
	if err != nil {
		t.Fatal(err)
	}
	at := func(a string) netip.AddrPort { return netip.MustParseAddrPort(a) }
	one, err := s.Add(at("127.0.0.5:30000"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(at("[::1]:30000"), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(at("127.0.0.6:30000"), 1); !errors.Is(err, ErrFull) {
		t.Errorf("a third of two: %v", err)
	}
	one.Admit(Peer, at("192.0.2.1:4000"))
	if strangers, excess := one.Dropped(); strangers+excess != 0 {
		t.Errorf("%d strangers, %d too fast, and nobody sent anything", strangers, excess)
	}
	one.Remove()
	again, err := s.Add(at("127.0.0.6:30000"), 1)
	if err != nil {
		t.Errorf("after one was removed: %v", err)
	}
	s.Close()
	again.Remove() // nothing is left to remove it from
	if _, err := s.Add(at("127.0.0.7:30000"), 0); !errors.Is(err, ErrFull) {
		t.Errorf("after the end: %v", err)
	}
}

// The program compares words as the kernel has them.
func TestWordsOfAnAddress(t *testing.T) {
	mapped, plain := keyOf(netip.MustParseAddrPort("[::ffff:192.0.2.1]:5004")), keyOf(netip.MustParseAddrPort("192.0.2.1:5004"))
	if mapped != plain || plain[4] != 5004 || plain[0]|plain[1]|plain[2] != 0 || plain[3] == 0 {
		t.Errorf("%v, %v", mapped, plain)
	}
	if six := keyOf(netip.MustParseAddrPort("[2001:db8::1]:5004")); six[0] == 0 || six[3] == 0 || six == plain {
		t.Errorf("%v", six)
	}
}
