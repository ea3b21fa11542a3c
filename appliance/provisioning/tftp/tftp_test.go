package tftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// files serves some, and notes who asked for what.
var files = map[string][]byte{
	"empty.cfg": {}, "short.cfg": []byte("#!version:1.0.0.1\naccount.1.label = \xc3\xa4\r\n"), "block.cfg": bytes.Repeat([]byte("0123456789abcdef"), 32),
	"two.cfg": bytes.Repeat([]byte("0123456789abcdef"), 64), "long.cfg": bytes.Repeat([]byte("0123456789abcdef\n"), 4000),
}

func start(t *testing.T, file File) (at netip.AddrPort) {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, socket, file) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return socket.LocalAddr().(*net.UDPAddr).AddrPort()
}

func some(_ context.Context, name string, _ netip.AddrPort) ([]byte, bool) {
	content, ok := files[name]
	return content, ok
}

// A real client reads every length that ends a transfer differently, in both modes and with options.
func TestARealClient(t *testing.T) {
	at := start(t, some)
	for _, mode := range []string{"binary", "ascii"} {
		for name, content := range files {
			got := filepath.Join(t.TempDir(), name)
			out, err := exec.Command("tftp", "-4", "-m", mode, at.Addr().String(), fmt.Sprint(at.Port()), "-c", "get", name, got).CombinedOutput()
			if err != nil {
				t.Fatalf("tftp %s in mode %s: %v\n%s", name, mode, err, out)
			}
			text, err := os.ReadFile(got)
			if err != nil || !bytes.Equal(text, content) {
				t.Errorf("%s in mode %s: %d octets, want %d: %v %s", name, mode, len(text), len(content), err, out)
			}
		}
	}
	out, _ := exec.Command("tftp", "-4", at.Addr().String(), fmt.Sprint(at.Port()), "-c", "get", "none.cfg", filepath.Join(t.TempDir(), "x")).CombinedOutput()
	if !strings.Contains(string(out), "File not found") {
		t.Errorf("a file that is not there: %s", out)
	}
	mine := filepath.Join(t.TempDir(), "mine.cfg")
	if err := os.WriteFile(mine, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = exec.Command("tftp", "-4", at.Addr().String(), fmt.Sprint(at.Port()), "-c", "put", mine, "short.cfg").CombinedOutput()
	if !strings.Contains(string(out), "Read only") {
		t.Errorf("a file to be written: %s", out)
	}
}

// client speaks packet by packet.
type client struct {
	*testing.T
	*net.UDPConn
}

func dial(t *testing.T) client { return dialFrom(t, 1) }

// dialFrom is a client at another address of the loopback.
func dialFrom(t *testing.T, host byte) client {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{t, c}
}

func (c client) ask(at netip.AddrPort, kind uint16, fields ...string) {
	c.Helper()
	p := binary.BigEndian.AppendUint16(nil, kind)
	for _, f := range fields {
		p = append(append(p, f...), 0)
	}
	c.put(p, at)
}

func (c client) put(p []byte, at netip.AddrPort) {
	c.Helper()
	if _, err := c.WriteToUDPAddrPort(p, at); err != nil {
		c.Fatal(err)
	}
}

func (c client) get() (p []byte, from netip.AddrPort) {
	c.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	p = make([]byte, 65536)
	n, from, err := c.ReadFromUDPAddrPort(p)
	if err != nil {
		c.Fatal(err)
	}
	return p[:n], from
}

func (c client) ack(n uint16, to netip.AddrPort) {
	c.put(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, ack), n), to)
}

func TestOptions(t *testing.T) {
	at := start(t, some)
	for _, x := range []struct {
		ask  []string
		want string // after the kind of the answer
	}{
		{[]string{"blksize", "1024", "tsize", "0", "timeout", "3"}, "\x00\x06blksize\x001024\x00tsize\x001024\x00timeout\x003\x00"},
		{[]string{"BLKSIZE", "65464"}, "\x00\x06blksize\x001428\x00"},
		{[]string{"windowsize", "64", "tsize", "0"}, "\x00\x06tsize\x001024\x00"},
		{[]string{"blksize", "1024", "blksize", "8"}, "\x00\x06blksize\x001024\x00"},
		{[]string{"blksize", "7"}, "\x00\x03\x00\x01"}, // as if it had not been there
		{[]string{"blksize", "x"}, "\x00\x03\x00\x01"},
		{[]string{"timeout", "200"}, "\x00\x03\x00\x01"},
		{[]string{"blksize"}, "\x00\x03\x00\x01"},
	} {
		c := dial(t)
		c.ask(at, readRequest, append([]string{"two.cfg", "octet"}, x.ask...)...)
		p, from := c.get()
		if !strings.HasPrefix(string(p), x.want) || p[1] == optionsAck && string(p) != x.want {
			t.Errorf("%q: %q, want %q", x.ask, p, x.want)
		}
		c.put(problem(undefined, "enough"), from)
	}
}

// A lost packet is sent again after a while; a second acknowledgement of the same block sends nothing, and a stranger ends nothing.
func TestLostAndDoubled(t *testing.T) {
	at := start(t, some)
	c, stranger := dial(t), dial(t)
	c.ask(at, readRequest, "two.cfg", "octet")
	first, from := c.get()
	c.ask(at, readRequest, "two.cfg", "octet") // a second request of the same begins nothing
	stranger.ack(1, from)
	if p, _ := stranger.get(); p[1] != failure || p[3] != unknownTransfer {
		t.Errorf("a stranger gets %q", p)
	}
	again, fromAgain := c.get()
	if !bytes.Equal(first, again) || from != fromAgain {
		t.Errorf("the first block does not come again: %q from %v", again[:4], fromAgain)
	}
	c.ack(1, from)
	c.ack(1, from)
	c.ack(1, from)
	second, _ := c.get()
	if second[3] != 2 {
		t.Fatalf("block %d follows the first", second[3])
	}
	c.ack(2, from)
	last, _ := c.get()
	for last[3] == 2 { // on a slow machine it comes again
		last, _ = c.get()
	}
	if last[3] != 3 || len(last) != 4 {
		t.Errorf("behind the second block come %d octets of block %d", len(last)-4, last[3])
	}
	c.ack(3, from)
}

// One source does not take all transfers, and what is no request gets no answer.
func TestBounds(t *testing.T) {
	asked := make(chan string, 100)
	hold := make(chan struct{})
	at := start(t, func(ctx context.Context, name string, _ netip.AddrPort) ([]byte, bool) {
		asked <- name
		if name == "hold.cfg" {
			<-hold
		}
		return nil, false
	})
	for range maxOfSource + 3 {
		dial(t).ask(at, readRequest, "hold.cfg", "octet")
	}
	for range maxOfSource {
		<-asked
	}
	last := dialFrom(t, 2) // its answer says that all requests before have been read
	last.ask(at, writeRequest, "x", "octet")
	last.get()
	close(hold)
	c := dial(t)
	for _, p := range [][]byte{nil, {0}, {0, 3, 0, 1}, {0, 4, 0, 1}, {0, 9}, bytes.Repeat([]byte{0, 1}, 400)} {
		c.put(p, at)
	}
	for n, wrong := range [][]string{{}, {"x"}, {"", "octet"}, {"x", "mail"}, {strings.Repeat("x", maxName+1), "octet"}} {
		c := dialFrom(t, byte(3+n)) // the places of the first source may not be free yet
		c.ask(at, readRequest, wrong...)
		if p, _ := c.get(); p[1] != failure || p[3] != illegal {
			t.Errorf("%q: %q", wrong, p)
		}
	}
	select {
	case name := <-asked:
		t.Errorf("%q was asked for beyond the bound", name)
	default:
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x00\x01two.cfg\x00octet\x00blksize\x001024\x00"))
	f.Add([]byte("\x00\x02two.cfg\x00octet\x00"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		r, refused := parse(packet)
		if r != nil && (refused != nil || r.name == "" || len(r.name) > maxName || r.block < minBlock || r.block > maxBlock || r.wait <= 0 || r.wait > maxPatience) {
			t.Errorf("%q makes %+v, refused %q", packet, r, refused)
		}
	})
}
