package diag

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"viaduct/appliance/lab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	lab.Enter()
	os.Exit(m.Run())
}

// ownLoopback moves the test's goroutine into a network of its own, whose loopback has an MTU of 1500.
func ownLoopback(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.LinkSetMTU(lo, 1500), netlink.LinkSetUp(lo)); err != nil {
		t.Fatal(err)
	}
}

func TestPingFindsTheMTU(t *testing.T) {
	ownLoopback(t)
	here := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		ping Echoes
		want string
	}{
		{Echoes{To: here, Size: 56, Count: 1}, "1 sent, 1 answered, packets of 84 octets"},
		{Echoes{To: here, Size: 1472, Count: 1, Whole: true}, "1 sent, 1 answered, packets of 1500 octets"},
		{Echoes{To: here, Size: 1473, Count: 1, Whole: true}, "a packet of 1501 octets is larger than the MTU of the interface\n1 sent, 0 answered"},
		{Echoes{To: here, Size: 1473, Count: 1}, "1 sent, 1 answered, packets of 1501 octets"},
		{Echoes{To: here, Size: 65507, Count: 1}, "1 sent, 1 answered, packets of 65535 octets"},
		{Echoes{To: here, Size: 56, Count: 1, Source: netip.MustParseAddr("127.0.0.9")}, "1 sent, 1 answered"},
		{Echoes{To: here, Size: 56, Count: 1, Source: netip.MustParseAddr("192.0.2.9")}, "192.0.2.9 is no address of this box"},
	} {
		var out strings.Builder
		if err := Ping(t.Context(), c.ping, func(line string) { out.WriteString(line + "\n") }); err != nil {
			out.WriteString(err.Error())
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%+v: %s, want %s", c.ping, out.String(), c.want)
		}
	}
}

func TestOneEchoTellsWhatBecameOfIt(t *testing.T) {
	ownLoopback(t)
	here := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		e    Echoes
		want Heard
	}{
		{Echoes{To: here, Size: 56}, Heard{Reply: true, From: here}},
		{Echoes{To: here, Size: 1472, Whole: true}, Heard{Reply: true, From: here}},
		{Echoes{To: here, Size: 1473, Whole: true}, Heard{Large: true}},
	} {
		got, err := Echo(t.Context(), c.e)
		if got.Took = 0; err != nil || got != c.want {
			t.Errorf("%+v: %+v, %v", c.e, got, err)
		}
	}
	if _, err := Echo(t.Context(), Echoes{To: netip.MustParseAddr("192.0.2.1"), Size: 56}); err == nil {
		t.Error("no route leads there, and Echo says nothing of it")
	}
}

func TestARouterTellsOfItsMTU(t *testing.T) {
	from := &net.IPAddr{IP: net.IPv4(192, 0, 2, 1)}
	message := []byte{3, 4, 0, 0, 0, 0, 0x05, 0x78}
	if got, want := unreachable(from, 4, message).Error(), "192.0.2.1 says that the packet is too large: the MTU of the next link is 1400"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := unreachable(from, 1, message).Error(); got != "192.0.2.1 says that it is unreachable (code 1)" {
		t.Error(got)
	}
}
