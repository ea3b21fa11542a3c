package siptransport

import (
	"encoding/json"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/pair"

	"golang.org/x/sys/unix"
)

// The peer of a box that has lost its power learns that its connection is no more, whoever opened it, and the port can be listened on.
func TestAPeerLearnsThatItsConnectionIsNoMore(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	theirs, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	x := line{addrPortOf(ours.LocalAddr()), addrPortOf(ours.RemoteAddr())}
	// It vanishes as with a box: no FIN, no RST.
	raw, _ := ours.(*net.TCPConn).SyscallConn()
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) })
	if err != nil {
		t.Skip("needs root: without TCP_REPAIR no connection vanishes without a word to its peer:", err)
	}
	ours.Close()
	l.Close()
	value, _ := json.Marshal(x)
	if n := Knock([]pair.Kept{{Value: value}, {Value: []byte("{}")}, {Value: []byte("no")}}); n != 1 {
		t.Fatalf("%d knocked", n)
	}
	l, err = net.Listen("tcp", at)
	if err != nil {
		t.Fatalf("the port is taken: %v", err)
	}
	defer l.Close()
	theirs.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer does not know: %v", err)
	}
}
