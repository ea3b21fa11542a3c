package siptransport

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A real path that swallows packets takes longer to end a connection than a test may last, so the kernel is only asked what it will do.
func TestConnectionsDoNotOutliveTheirPeers(t *testing.T) {
	l, err := (&host{}).Listen(TCP, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err := (&host{}).Dial(t.Context(), TCP, netip.MustParseAddr("127.0.0.1"), addrPortOf(l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	for _, x := range []struct {
		name string
		conn net.Conn
		want time.Duration
	}{
		{"ours", ours, unackedAtMost},
		{"one of a peer, which a phone may have opened that is out of reach for a while", theirs, awayAtMost},
	} {
		raw, err := x.conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			if got := time.Duration(ms) * time.Millisecond; err != nil || got != x.want {
				t.Errorf("%s: data stays unacknowledged for %v at most, want %v (%v)", x.name, got, x.want, err)
			}
			if tos, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS); err != nil || tos != signalling {
				t.Errorf("%s: mark %#x, want %#x (%v)", x.name, tos, signalling, err)
			}
		})
	}
}
