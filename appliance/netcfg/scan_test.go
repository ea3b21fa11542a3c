package netcfg

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// inbox hears every packet of a protocol that came through the firewall, whatever its port: the kernel gives raw sockets theirs
// behind its input hook.
type inbox int

func (w *world) inbox(protocol int) inbox {
	w.t.Helper()
	fd := must(unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol))(w.t)
	w.t.Cleanup(func() { unix.Close(fd) })
	return inbox(fd)
}

// packets are those that have come since the last call, from their IP header on.
func (i inbox) packets(t testing.TB) (list [][]byte) {
	t.Helper()
	for buf := make([]byte, 2048); ; {
		n, _, err := unix.Recvfrom(int(i), buf, 0)
		if err == unix.EAGAIN {
			return list
		}
		check(t, err)
		list = append(list, slices.Clone(buf[:n]))
	}
}

// gun sends IP packets through one device of the neighbours, with whatever source.
type gun int

func (w *world) gun(device string) (g gun) {
	w.t.Helper()
	w.atPeer(func() {
		fd := must(unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW))(w.t)
		w.t.Cleanup(func() { unix.Close(fd) })
		check(w.t, unix.BindToDevice(fd, device))
		g = gun(fd)
	})
	return g
}

func (g gun) send(t testing.TB, from, to netip.Addr, protocol byte, payload []byte) {
	t.Helper()
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, protocol
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	check(t, unix.Sendto(int(g), append(b, payload...), 0, &unix.SockaddrInet4{Addr: to.As4()}))
}

// sum is the Internet checksum (RFC 1071).
func sum(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

const (
	syn = 0x02
	ack = 0x10
)

// tcp is a segment without data.
func tcp(from, to netip.AddrPort, flags byte) []byte {
	pseudo := make([]byte, 12, 32)
	copy(pseudo, from.Addr().AsSlice())
	copy(pseudo[4:], to.Addr().AsSlice())
	pseudo[9], pseudo[11] = unix.IPPROTO_TCP, 20
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint32(b[4:], 1)
	b[12], b[13], b[14] = 5<<4, flags, 0x40
	binary.BigEndian.PutUint16(b[16:], sum(append(pseudo, b...)))
	return b
}

// scan sends a packet to each of the 65535 ports and returns those whose packet came in, as ranges.
func (w *world) scan(g gun, in inbox, from, to string, packet func(from, to netip.AddrPort) (byte, []byte)) string {
	w.t.Helper()
	// What answers a name server or a time server looks like this.
	source := netip.AddrPortFrom(netip.MustParseAddr(from), 53)
	var open []int
	for port := 1; port < 1<<16; port++ {
		target := netip.AddrPortFrom(netip.MustParseAddr(to), uint16(port))
		protocol, payload := packet(source, target)
		g.send(w.t, source.Addr(), target.Addr(), protocol, payload)
		if port%100 != 0 && port != 1<<16-1 {
			continue // a socket holds some hundred packets
		}
		for _, p := range in.packets(w.t) {
			if netip.AddrFrom4([4]byte(p[12:16])) == source.Addr() {
				open = append(open, int(binary.BigEndian.Uint16(p[22:])))
			}
		}
	}
	slices.Sort(open)
	open = slices.Compact(open)
	var words []string
	for len(open) > 0 {
		n := 1
		for n < len(open) && open[n] == open[0]+n {
			n++
		}
		if words = append(words, fmt.Sprint(open[0])); n > 1 {
			words[len(words)-1] = fmt.Sprintf("%d-%d", open[0], open[n-1])
		}
		open = open[n:]
	}
	return strings.Join(words, " ")
}

func datagram(from, to netip.AddrPort) (byte, []byte) {
	b := make([]byte, 8)
	binary.BigEndian.PutUint16(b, from.Port())
	binary.BigEndian.PutUint16(b[2:], to.Port())
	binary.BigEndian.PutUint16(b[4:], 8)
	return unix.IPPROTO_UDP, b
}

func segmentOf(flags byte) func(from, to netip.AddrPort) (byte, []byte) {
	return func(from, to netip.AddrPort) (byte, []byte) { return unix.IPPROTO_TCP, tcp(from, to, flags) }
}

// Every port of TCP and UDP from everybody: what is open is what the configuration opens.
func TestEveryPortIsProbedFromBothSides(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	must(n.Apply(sipConfig()))(t)
	w.address("peth00", "192.168.1.100/24")
	w.address("peth01", "123.123.123.113/28")
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth01") })
	const lan, wan, media = "192.168.1.1", "123.123.123.123", "16384-32767"
	in := map[byte]inbox{unix.IPPROTO_TCP: w.inbox(unix.IPPROTO_TCP), unix.IPPROTO_UDP: w.inbox(unix.IPPROTO_UDP)}
	guns := map[string]gun{"peth00": w.gun("peth00"), "peth01": w.gun("peth01")}
	for _, c := range []struct {
		name, device, from, to string
		tcp, udp               string
	}{
		{"the PBX", "peth00", "192.168.1.100", lan, "22 5060", "5060 " + media},
		{"a PC of the LAN", "peth00", "192.168.1.7", lan, "22", media},
		{"the PBX at the WAN address", "peth00", "192.168.1.100", wan, "22", ""},
		{"Teams", "peth01", "52.114.75.24", wan, "5062", media},
		{"a stranger", "peth01", "198.51.100.9", wan, "", media},
		{"a stranger who says that he is the PBX", "peth01", "192.168.1.100", wan, "", media},
		{"a stranger at the LAN address", "peth01", "198.51.100.9", lan, "", ""},
		{"a stranger who says that he is the PBX, at the LAN address", "peth01", "192.168.1.100", lan, "", ""},
	} {
		if got := w.scan(guns[c.device], in[unix.IPPROTO_TCP], c.from, c.to, segmentOf(syn)); got != c.tcp {
			t.Errorf("TCP from %s: open are %q, want %q", c.name, got, c.tcp)
		}
		if got := w.scan(guns[c.device], in[unix.IPPROTO_UDP], c.from, c.to, datagram); got != c.udp {
			t.Errorf("UDP from %s: open are %q, want %q", c.name, got, c.udp)
		}
	}
	// What looks like an answer, and answers nothing.
	if got := w.scan(guns["peth01"], in[unix.IPPROTO_TCP], "198.51.100.9", wan, segmentOf(syn|ack)); got != "" {
		t.Errorf("SYN and ACK from a stranger: open are %q", got)
	}
	// Protocols besides these and ICMP: none. There is no socket that hears them all, so it is counted what is dropped.
	before := dropped(t, "from-eth01")
	for protocol := range 256 {
		switch protocol {
		case unix.IPPROTO_ICMP, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_RAW:
		default:
			guns["peth01"].send(t, netip.MustParseAddr("52.114.75.24"), netip.MustParseAddr(wan), byte(protocol), make([]byte, 40))
		}
	}
	if got := dropped(t, "from-eth01") - before; got != 252 {
		t.Errorf("of 252 other protocols %d were dropped", got)
	}
}

// dropped is how many packets the rules of a chain have dropped: each of them counts.
func dropped(t *testing.T, chain string) (n uint64) {
	t.Helper()
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	for _, r := range must(must(nftables.New())(t).GetRules(table, &nftables.Chain{Name: chain, Table: table}))(t) {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				n += c.Packets
			}
		}
	}
	return n
}

// icmpMessage is one of a kind. All have the identifier 0, as those of one ping have one.
func icmpMessage(kind byte, number uint16, quoted []byte) []byte {
	b := make([]byte, 8, 64)
	b[0] = kind
	binary.BigEndian.PutUint16(b[6:], number)
	b = append(b, quoted...)
	binary.BigEndian.PutUint16(b[2:], sum(b))
	return b
}

func TestICMPIsLimited(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	must(n.Apply(sipConfig()))(t)
	w.address("peth01", "123.123.123.113/28")
	w.atPeer(func() { waitRunning(t, "peth01") })
	in, g := w.inbox(unix.IPPROTO_ICMP), w.gun("peth01")
	from, box := netip.MustParseAddr("123.123.123.113"), netip.MustParseAddr("123.123.123.123")
	kinds := func() map[byte]int {
		seen := map[byte]int{}
		for _, p := range in.packets(t) {
			if netip.AddrFrom4([4]byte(p[12:16])) == from {
				seen[p[20]]++
			}
		}
		return seen
	}
	// An error quotes the packet that it is about: one of media, which the kernel does not track.
	quoted := make([]byte, 28)
	quoted[0], quoted[3], quoted[8], quoted[9] = 0x45, 28, 64, unix.IPPROTO_UDP
	copy(quoted[12:], box.AsSlice())
	copy(quoted[16:], from.AsSlice())
	binary.BigEndian.PutUint16(quoted[10:], sum(quoted[:20]))
	binary.BigEndian.PutUint16(quoted[20:], 16400)
	binary.BigEndian.PutUint16(quoted[22:], 5004)
	binary.BigEndian.PutUint16(quoted[24:], 8)
	for kind := range 256 {
		g.send(t, from, box, unix.IPPROTO_ICMP, icmpMessage(byte(kind), 0, quoted))
	}
	seen := kinds()
	for kind := range 256 {
		open := slices.Contains([]byte{3, 8, 11, 12}, byte(kind)) // unreachable, echo request, time exceeded, parameter problem
		if got := seen[byte(kind)] > 0; got != open {
			t.Errorf("ICMP type %d: open %v, want %v", kind, got, open)
		}
	}
	// A flood of pings: twenty, and those of the time that it lasts.
	time.Sleep(1100 * time.Millisecond)
	began := time.Now()
	for i := range 1000 {
		g.send(t, from, box, unix.IPPROTO_ICMP, icmpMessage(8, uint16(i), nil))
	}
	most := 21 + int(time.Since(began).Seconds()*20)
	if got := kinds()[8]; got < 20 || got > most {
		t.Errorf("of 1000 pings %d came in, want 20 to %d", got, most)
	}
	// Whoever pings as usual is answered.
	w.atPeer(func() {
		conn := must(net.ListenPacket("ip4:icmp", from.String()))(t)
		defer conn.Close()
		time.Sleep(100 * time.Millisecond)
		must(conn.WriteTo(icmpMessage(8, 9999, nil), &net.IPAddr{IP: box.AsSlice()}))(t)
		check(t, conn.SetDeadline(time.Now().Add(patience)))
		for buf := make([]byte, 100); ; {
			if _, _, err := conn.ReadFrom(buf); err != nil {
				t.Errorf("a ping: %v", err)
			} else if buf[0] != 0 || binary.BigEndian.Uint16(buf[6:]) != 9999 {
				continue // of the flood
			}
			return
		}
	})
}
