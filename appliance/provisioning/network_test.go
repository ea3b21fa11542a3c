package provisioning

import (
	"context"
	"crypto/x509"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lab"
	"viaduct/appliance/netcfg"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	lab.Enter()
	os.Exit(m.Run())
}

// apart tells a test that it runs in a process of its own, with a network of its own.
const apart = "VIADUCT_PROVISIONING_APART"

// Real clients in a LAN with real hardware addresses. Every goroutine of the server must be in that network, so the test has a process there.
func TestRealClients(t *testing.T) {
	if os.Getenv(apart) != "" {
		inLAN(t)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestRealClients$", "-test.v")
	cmd.Env = append(os.Environ(), apart+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	runtime.LockOSThread() // Pdeathsig is sent when this thread ends
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestRealClients") {
		t.Errorf("%v\n%s", err, out)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// host is a station in the LAN: a network namespace, kept by a thread.
type host struct {
	*testing.T
	addr netip.Addr
	jobs chan func()
}

// do runs f there.
func (h *host) do(f func()) {
	done := make(chan struct{})
	h.jobs <- func() {
		defer close(done)
		f()
	}
	<-done
}

// station makes a host with a hardware address, at the bridge.
func station(t *testing.T, bridge netlink.Link, a netip.Addr, m config.MAC) *host {
	h := &host{t, a, make(chan func())}
	box, err := netns.Get()
	check(t, err)
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		space, err := netns.New()
		ready <- err
		for job := range h.jobs {
			job()
		}
		space.Close()
	}()
	check(t, <-ready)
	t.Cleanup(func() { close(h.jobs) })
	name := "v" + string(m[8:])
	hardware, err := net.ParseMAC(m.String())
	check(t, err)
	h.do(func() {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", HardwareAddr: hardware}, PeerName: name, PeerNamespace: netlink.NsFd(box)}
		check(t, netlink.LinkAdd(pair))
		check(t, netlink.AddrAdd(pair, &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(24, 32)}}))
		check(t, netlink.LinkSetUp(pair))
		check(t, netlink.RouteAdd(&netlink.Route{LinkIndex: pair.Attrs().Index, Dst: &net.IPNet{IP: net.IPv4(224, 0, 0, 0), Mask: net.CIDRMask(4, 32)}}))
	})
	peer, err := netlink.LinkByName(name)
	check(t, err)
	check(t, netlink.LinkSetMaster(peer, bridge))
	check(t, netlink.LinkSetUp(peer))
	return h
}

// run runs a program there.
func (h *host) run(name string, args ...string) (out string) {
	h.Helper()
	h.do(func() {
		text, err := exec.Command(name, args...).CombinedOutput()
		if out = string(text); err != nil && len(text) == 0 {
			h.Errorf("%s %q: %v", name, args, err)
		}
	})
	return out
}

// curl returns the code and the file.
func (h *host) curl(args ...string) string {
	h.Helper()
	return h.run("curl", append([]string{"-s", "-m", "30", "-w", " %{http_code}", "-A", "Yealink SIP-T46S 66.86.0.15 00:15:65:aa:bb:cc"}, args...)...)
}

// tftp returns the file, or what the client says.
func (h *host) tftp(name string) string {
	h.Helper()
	file := filepath.Join(h.TempDir(), "got")
	out := h.run("sh", "-c", `tftp -4 -m binary 10.108.2.1 -c get "$0" "$1" 2>&1; echo`, name, file)
	text, err := os.ReadFile(file)
	if err != nil || len(text) == 0 {
		return out
	}
	return string(text)
}

func inLAN(t *testing.T) {
	lo, err := netlink.LinkByName("lo")
	check(t, err)
	check(t, netlink.LinkSetUp(lo))
	off := false
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "lan"}, MulticastSnooping: &off}
	check(t, netlink.LinkAdd(bridge))
	check(t, netlink.AddrAdd(bridge, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 108, 2, 1), Mask: net.CIDRMask(24, 32)}}))
	check(t, netlink.LinkSetUp(bridge))
	phone, other := station(t, bridge, addr(21), anna), station(t, bridge, addr(22), bernd)

	cfg := testConfig()
	p := cfg.Provisioning[0]
	p.TFTP, p.PnP = true, true
	network, err := netcfg.New(netcfg.Options{Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	defer network.Close()
	// A SIP gateway has the port of the group at the address of the box.
	gateway, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.108.2.1:5060")))
	check(t, err)
	defer gateway.Close()
	alarms := new(health.Tracker)
	kept := func(string) ([]byte, error) { return nil, nil }
	s := New(Options{
		Log: slog.New(slog.DiscardHandler), Health: alarms, Config: func() *config.Config { return cfg }, Sealed: func(config.Secret) bool { return false },
		Neighbours: network.Neighbours, Ask: network.AskNeighbour, Root: func() (*x509.Certificate, error) { return nil, fs.ErrNotExist }, Transport: func() http.RoundTripper { return nil },
		Load: func(func([]byte) error) error { return nil }, Save: func([]byte) error { return nil }, LoadTemplate: kept,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		check(t, <-done)
	}()
	for end := time.Now().Add(time.Minute); !strings.HasSuffix(phone.curl("http://10.108.2.1:8080/y000000000065.cfg"), " 200"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing is served: %v", alarms.Current())
		}
	}

	// The box has never heard of this one before its first request, which comes by UDP.
	if got := other.tftp("0004139922ff.xml"); !strings.Contains(got, "File not found") {
		t.Errorf("before a window TFTP gives %q", got)
	}
	if got := phone.curl("http://10.108.2.1:8080/001565aabbcc.cfg"); got != "no such file\n 404" {
		t.Errorf("before a window HTTP gives %q", got)
	}
	if _, err := s.Open(time.Hour, "admin"); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/yealink.cfg")
	check(t, err)
	if got := phone.curl("http://10.108.2.1:8080/001565aabbcc.cfg"); got != string(want)+" 200" {
		t.Errorf("the phone gets %s", got)
	}
	if got := phone.tftp("001565aabbcc.cfg"); got != string(want) {
		t.Errorf("by TFTP the phone gets %s", got)
	}
	if got := other.curl("http://10.108.2.1:8080/001565aabbcc.cfg"); got != "no such file\n 404" {
		t.Errorf("another device gets %q", got)
	}
	if got := other.tftp("001565aabbcc.cfg"); !strings.Contains(got, "File not found") {
		t.Errorf("another device gets %q by TFTP", got)
	}
	if got := other.tftp("0004139922FF.xml"); !strings.Contains(got, "<user_name idx=\"1\" perm=\"R\">22</user_name>") {
		t.Errorf("the other phone gets %q by TFTP", got)
	}
	if got := phone.curl("-I", "http://10.108.2.1:8080/001565aabbcc.cfg"); !strings.Contains(got, "Content-Length: ") || strings.Contains(got, "account.1") {
		t.Errorf("HEAD gives %s", got)
	}
	if got := phone.curl("--data-binary", "@/proc/self/exe", "http://10.108.2.1:8080/001565aabbcc.cfg"); !strings.Contains(got, " 405") {
		t.Errorf("a file that is sent: %q", got)
	}
	if got := phone.curl("-H", "X: "+strings.Repeat("x", 20<<10), "http://10.108.2.1:8080/001565aabbcc.cfg"); !strings.Contains(got, " 431") {
		t.Errorf("a header of 20 KiB: %q", got)
	}
	if x := s.Status().Services[0].Phones[0]; x.Address != addr(21) || x.Device != "Yealink T46S" || x.Fetches != 3 || x.Refusals != 3 {
		t.Errorf("status: %+v", x)
	}

	// A phone asks everybody where its settings are.
	phone.do(func() {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr(21), 5060)))
		check(t, err)
		defer c.Close()
		text := "SUBSCRIBE sip:MAC%3a001565aabbcc@224.0.1.75 SIP/2.0\r\nVia: SIP/2.0/UDP 10.108.2.21:5060;branch=z9hG4bK1;rport\r\nFrom: <sip:MAC%3a001565aabbcc@224.0.1.75>;tag=1\r\n" +
			"To: <sip:MAC%3a001565aabbcc@224.0.1.75>\r\nCall-ID: 1\r\nCSeq: 1 SUBSCRIBE\r\nMax-Forwards: 70\r\nContact: <sip:10.108.2.21:5060>\r\n" +
			"Event: ua-profile;profile-type=\"device\";vendor=\"Yealink\";model=\"T46S\";version=\"66.86.0.15\"\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n"
		var got string
		buffer := make([]byte, 4096)
		for range 60 { // as phones do: what was lost is sent again
			_, err = c.WriteToUDPAddrPort([]byte(text), netip.MustParseAddrPort("224.0.1.75:5060"))
			check(t, err)
			c.SetReadDeadline(time.Now().Add(time.Second))
			for !strings.Contains(got, "\r\n\r\nhttp") {
				n, _, err := c.ReadFromUDPAddrPort(buffer)
				if err != nil {
					break
				}
				got += string(buffer[:n])
			}
			if strings.Contains(got, "\r\n\r\nhttp") {
				break
			}
		}
		if !strings.HasPrefix(got, "SIP/2.0 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\nhttp://10.108.2.1:8080/") {
			t.Errorf("the phone hears\n%s", got)
		}
	})
}
