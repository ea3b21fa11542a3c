package vrrp

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the box writes is read by somebody else: advertisements at a port with virtual addresses and at the direct path, announcements, questions.
func TestTsharkReadsWhatWeWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, peer := w.add("one", "192.168.1.2/24", "10.99.0.1/30"), w.add("peer", "192.168.1.100/24")
	tap := peer.tap()
	p1, _ := ports()
	p1.Virtual = addrs("192.168.1.1", "192.168.1.9")
	p1.Witnesses = addrs("192.168.1.100")
	r, stop := one.router(Options{}, p1)
	until(t, "the link is there", func() bool { return r.State()[0].Carrier }) // before that the kernel drops what is sent
	check(t, r.Advertise(200))
	check(t, r.Advertise(0))
	check(t, r.Hold(context.Background()))
	check(t, r.Announce(context.Background()))
	until(t, "it asks the witness", func() bool { return r.State()[0].Asked.IsValid() })
	stop()
	direct := p1
	direct.Virtual, direct.Own = nil, netip.MustParsePrefix("10.99.0.1/30")
	r, _ = one.router(Options{Interval: time.Second}, direct)
	check(t, r.Advertise(1))

	mac := one.device().Attrs().HardwareAddr.String()
	lines := tshark(t, tap, "vrrp || (arp.opcode == 1 && arp.src.proto_ipv4 != 192.168.1.100)",
		"eth.src", "ip.src", "ip.dst", "ip.ttl", "ip.dsfield", "vrrp.version", "vrrp.type", "vrrp.virt_rtr_id", "vrrp.prio", "vrrp.short_adver_int", "vrrp.ip_addr", "vrrp.checksum.status",
		"arp.src.hw_mac", "arp.src.proto_ipv4", "arp.dst.proto_ipv4")
	for _, want := range []string{
		mac + ";192.168.1.2;224.0.0.18;255;0xc0;3;1;51;200;10;192.168.1.1,192.168.1.9;1;;;",
		mac + ";192.168.1.2;224.0.0.18;255;0xc0;3;1;51;0;10;192.168.1.1,192.168.1.9;1;;;",
		mac + ";10.99.0.1;224.0.0.18;255;0xc0;3;1;51;1;100;10.99.0.1;1;;;",
		mac + ";;;;;;;;;;;;" + mac + ";192.168.1.1;192.168.1.1",
		mac + ";;;;;;;;;;;;" + mac + ";192.168.1.9;192.168.1.9",
		mac + ";;;;;;;;;;;;" + mac + ";192.168.1.1;192.168.1.100",
	} {
		if !strings.Contains(lines, want+"\n") {
			t.Errorf("not there: %s", want)
		}
	}
	if t.Failed() {
		t.Log("\n" + lines)
	}
}

// tap opens a socket that gets all frames of a host from now on.
func (h *host) tap() (fd int) {
	check(h.t, h.Do(func() (err error) {
		const all = unix.ETH_P_ALL << 8 // in network order
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all); err == nil {
			h.t.Cleanup(func() { unix.Close(fd) })
		}
		return err
	}))
	return fd
}

// tshark shows fields of the frames that a tap has got so far.
func tshark(t *testing.T, tap int, filter string, fields ...string) string {
	t.Helper()
	var file bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			check(t, binary.Write(&file, binary.NativeEndian, v))
		}
	}
	put(uint32(0xa1b2c3d4), uint16(2), uint16(4), uint64(0), uint32(0xffff), uint32(1) /* Ethernet */)
	for b := make([]byte, 2048); ; {
		n, err := unix.Read(tap, b)
		if err == unix.EAGAIN {
			break
		}
		check(t, err)
		put(uint64(0), uint32(n), uint32(n), b[:n])
	}
	name := filepath.Join(t.TempDir(), "lan.pcap")
	check(t, os.WriteFile(name, file.Bytes(), 0o600))
	args := []string{"-n", "-r", name, "-o", "ip.check_checksum:TRUE", "-Y", filter, "-T", "fields", "-E", "separator=;"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	return string(must(exec.Command("tshark", args...).Output())(t))
}
