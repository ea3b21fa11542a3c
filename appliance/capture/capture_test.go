package capture

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

func TestMain(m *testing.M) {
	lab.Enter()
	os.Exit(m.Run())
}

// loopback puts the test into a namespace with nothing but the loopback device.
func loopback(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// send sends a datagram and returns its ends.
func send(t *testing.T, from, to, text string) (local, remote string) {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return c.LocalAddr().String(), c.RemoteAddr().String()
}

var errEnough = errors.New("enough")

// taken captures until n packets have come. begun is called once the socket is open.
func taken(t *testing.T, o Options, n int, begun func()) (lines []string) {
	t.Helper()
	f, raw, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begun()
	for len(lines) < n {
		frame, err := next(raw, make([]byte, Kept))
		if err != nil {
			t.Fatal(err)
		}
		way := "in "
		if frame.Sent {
			way = "out "
		}
		lines = append(lines, way+Parse(frame.Data).String())
	}
	return lines
}

func TestPacketsOfOneHostAreTaken(t *testing.T) {
	loopback(t)
	got := taken(t, Options{Device: "lo", Host: netip.MustParseAddr("127.0.0.3")}, 4, func() {
		send(t, "127.0.0.1:4001", "127.0.0.2:5060", "of other hosts")
		send(t, "127.0.0.1:4002", "127.0.0.3:5060", "to it")
		send(t, "127.0.0.3:4003", "127.0.0.1:5060", "from it")
	})
	want := []string{
		"out 127.0.0.1:4002 > 127.0.0.3:5060 UDP, 5 octets", "in 127.0.0.1:4002 > 127.0.0.3:5060 UDP, 5 octets",
	}
	if got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%q", got)
	}
	for _, l := range got {
		if !strings.Contains(l, "127.0.0.3") {
			t.Errorf("a packet of another host: %s", l)
		}
	}
}

// The session of whoever looks on would be a source of packets about packets.
func TestTheOwnSessionIsLeftOut(t *testing.T) {
	loopback(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	own := netip.MustParseAddrPort(c.LocalAddr().String())
	other, err := net.Dial("udp", "127.0.0.2:5060") // here: another goroutine's thread is in another namespace
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	go func() { // again and again: the first ones may come before the socket stands
		for ctx.Err() == nil {
			c.Write([]byte("own"))
			other.Write([]byte("not own"))
			time.Sleep(10 * time.Millisecond)
		}
	}()
	var seen []string
	r, err := Run(ctx, Options{Device: "lo", Except: own}, func(f Frame) error {
		if seen = append(seen, Parse(f.Data).String()); len(seen) == 10 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || r.Taken != len(seen) {
		t.Errorf("%v %+v", err, r)
	}
	for _, s := range seen {
		if strings.Contains(s, own.String()) {
			t.Errorf("seen: %s", s)
		}
	}
}

func TestTheEndOfTheContextEndsACapture(t *testing.T) {
	loopback(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Run(ctx, Options{Device: "lo"}, func(Frame) error { return nil }); err != nil || r.Taken != 0 {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := Run(t.Context(), Options{Device: "none"}, func(Frame) error { return nil }); err == nil || !strings.Contains(err.Error(), "capture on none") {
		t.Errorf("a device that is not there: %v", err)
	}
}

const ether = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"

func TestPacketsInOneLine(t *testing.T) {
	ip4 := func(protocol byte, fragment string, rest string) string {
		return ether + "\x08\x00\x45\x00\x00" + string(rune(20+len(rest))) + "\x00\x00" + fragment + "\x40" + string(rune(protocol)) + "\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02" + rest
	}
	for frame, want := range map[string]string{
		ether + "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x02\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x02": "ARP: 10.0.0.1 asks for 10.0.0.2",
		ether + "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x02\x02\x00\x00\x00\x00\x02\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x02": "ARP: 10.0.0.1 is there, to 10.0.0.2",
		ip4(6, "\x00\x00", "\x13\xc5\x9c\x40\x00\x00\x00\x00\x00\x00\x00\x00\x50\x12\x00\x00\x00\x00\x00\x00abc"):                          "10.0.0.1:5061 > 10.0.0.2:40000 TCP SYN ACK, 3 octets",
		ip4(17, "\x00\x01", "abcdefgh"):    "10.0.0.1 > 10.0.0.2 fragment, 8 octets",
		ip4(1, "\x00\x00", "\x08\x00\x00"): "10.0.0.1 > 10.0.0.2 ICMP type 8, 3 octets",
		ip4(50, "\x00\x00", "x"):           "10.0.0.1 > 10.0.0.2 protocol 50, 1 octets",
		ether + "\x88\xcc":                 "Ethernet type 88cc",
		"short":                            "Ethernet type 0000",
		ether + "\x81\x00\x00\x14\x88\xcc": "Ethernet type 88cc",
		ether + "\x08\x00\x45\x00\x00\x14": "Ethernet type 0800",
	} {
		if got := Parse([]byte(frame)).String(); got != want {
			t.Errorf("%q: %s, want %s", frame, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(ether + "\x08\x00\x46\x00\x00\x14\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02"))
	f.Add([]byte(ether + "\x86\xdd\x60\x00\x00\x00\x00\x08\x11\x40"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := Parse(b)
		if s := p.String(); s == "" || strings.ContainsAny(s, "\n\r\x1b") || p.Octets < 0 {
			t.Errorf("%q", s)
		}
	})
}
