package hep

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

const options = "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\nCall-ID: o-1\r\nContent-Length: 0\r\n\r\n"

// read takes a packet apart, strictly: the chunks by their types.
func read(t *testing.T, b []byte) map[uint16][]byte {
	t.Helper()
	if len(b) < 6 || string(b[:4]) != "HEP3" || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		t.Fatalf("%d octets, begin %q", len(b), b[:min(len(b), 6)])
	}
	chunks := map[uint16][]byte{}
	for b = b[6:]; len(b) > 0; {
		if len(b) < 6 {
			t.Fatalf("%d octets are left", len(b))
		}
		vendor, kind, size := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
		if _, twice := chunks[kind]; vendor != 0 || size < 6 || size > len(b) || twice {
			t.Fatalf("chunk %d of vendor %d with %d octets of %d, twice %v", kind, vendor, size, len(b), twice)
		}
		chunks[kind], b = b[6:size], b[size:]
	}
	return chunks
}

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// FuzzPacket writes packets of any content and size: lengths are right, and the payload is as it came, or its beginning.
func FuzzPacket(f *testing.F) {
	f.Add([]byte(options), 0, "o-1", "sbc01", "key", "192.0.2.1:5060", "[2001:db8::1]:5060")
	f.Add([]byte("x"), 65535, "", "", "", "192.0.2.1:5060", "[::ffff:192.0.2.2]:5061")
	f.Add([]byte("x"), 70000, strings.Repeat("c", 70000), strings.Repeat("n", 70000), strings.Repeat("k", 70000), "", "")
	f.Fuzz(func(t *testing.T, payload []byte, more int, callID, name, key, source, dest string) {
		payload = append(payload, make([]byte, max(0, more)%100_000)...)
		s, _ := netip.ParseAddrPort(source)
		d, _ := netip.ParseAddrPort(dest)
		if !s.IsValid() || !d.IsValid() {
			s, d = addr("192.0.2.1:1"), addr("192.0.2.2:2")
		}
		p := packet{at: time.Unix(1700000000, 123456789), source: s, dest: d, payload: payload, node: 7, nodeName: name, key: key, callID: callID}
		b := p.append([]byte("before"))
		got := read(t, b[len("before"):])
		if !bytes.HasPrefix(payload, got[chunkPayload]) || len(got[chunkPayload]) < min(len(payload), 60_000) || len(b) > largest+len("before") {
			t.Errorf("of %d octets there are %d, in %d", len(payload), len(got[chunkPayload]), len(b))
		}
	})
}

// sngrep reads HEP3 with code that is not ours. What it takes out of packets, it writes to a file as if it had seen the messages themselves.
func TestAnotherReaderUnderstandsPackets(t *testing.T) {
	p := packet{at: time.Unix(1700000000, 123456000), source: addr("192.0.2.1:5060"), dest: addr("198.51.100.7:5061"), udp: true, payload: []byte(options), kind: typeSIP, node: 2001,
		nodeName: "sbc01", callID: "9f2b3c4d"}
	if got, want := dissect(t, p.append(nil)), "1700000000.123456000;192.0.2.1;198.51.100.7;5060;5061;OPTIONS;o-1"; got != want {
		t.Errorf("read as\n%s, want\n%s", got, want)
	}
}

func TestAddressesOfBothFamilies(t *testing.T) {
	for _, x := range []struct {
		source, dest string
		family       byte
		from, to     uint16
	}{{"[2001:db8::1]:5060", "[2001:db8::7]:5061", familyIPv6, chunkSource6, chunkDest6}, {"[::ffff:192.0.2.1]:5060", "192.0.2.7:5061", familyIPv4, chunkSource4, chunkDest4}} {
		p := packet{source: addr(x.source), dest: addr(x.dest)}
		got := read(t, p.append(nil))
		from, _ := netip.AddrFromSlice(got[x.from])
		to, _ := netip.AddrFromSlice(got[x.to])
		if got[chunkFamily][0] != x.family || from != addr(x.source).Addr().Unmap() || to != addr(x.dest).Addr() || string(got[chunkSourcePort]) != "\x13\xc4" {
			t.Errorf("%v", got)
		}
	}
}

// dissect is what tshark reads of what sngrep has taken out of a packet in a datagram.
func dissect(t *testing.T, packet []byte) string {
	t.Helper()
	frame := append(make([]byte, 12), 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 9)
	binary.BigEndian.PutUint16(frame[16:], uint16(28+len(packet)))
	frame = append(frame, 0x23, 0x64, 0x23, 0x64, byte((8+len(packet))>>8), byte(8+len(packet)), 0, 0)
	frame = append(frame, packet...)
	var file bytes.Buffer
	for _, v := range []any{uint32(0xa1b2c3d4), uint16(2), uint16(4), uint64(0), uint32(0xffff), uint32(1) /* Ethernet */, uint64(0), uint32(len(frame)), uint32(len(frame)), frame} {
		binary.Write(&file, binary.NativeEndian, v)
	}
	name := filepath.Join(t.TempDir(), "hep.pcap")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sngrep", "-N", "-F", "-E", "-I", name, "-O", name+".sip").CombinedOutput(); err != nil || !strings.Contains(string(out), "Dialog count: 1") {
		t.Fatalf("sngrep: %v: %s", err, out)
	}
	args := []string{"-n", "-r", name + ".sip", "-T", "fields", "-E", "separator=;"}
	for _, f := range []string{"frame.time_epoch", "ip.src", "ip.dst", "udp.srcport", "udp.dstport", "sip.Method", "sip.Call-ID"} {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	first, _, _ := strings.Cut(string(out), "\n") // sngrep writes it twice
	return first
}

// client is a Client that runs, and what it was told of its server.
type client struct {
	*Client
	mu   sync.Mutex
	away []string
}

func begin(t *testing.T, steady time.Duration, secure func(*config.TLSProfile, string) (*tls.Config, error)) *client {
	c := &client{}
	c.Client = New(Options{
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		TLS: secure,
		Away: func(_, why string) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.away = append(c.away, why)
		},
	})
	c.steady = steady
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func to(port int, transport string) *config.HEP {
	h := &config.HEP{}
	h.SetDefaults()
	h.Remote = config.HEPRemote{Host: "homer.example.com", Port: uint16(port), Transport: transport}
	h.AuthKey = "mykey"
	return h
}

func message(callID, text string) siptransport.TraceEntry {
	return siptransport.TraceEntry{Time: time.Now(), Transport: siptransport.UDP, Local: addr("192.0.2.1:5060"), Remote: addr("192.0.2.9:5060"),
		Message: []byte("INVITE sip:a SIP/2.0\r\nCall-ID: " + callID + "\r\n" + text + "\r\n\r\n")}
}

// The caller's INVITE is traced before there is a call, and the last messages after it: all have the id of the call.
func TestAllLegsHaveTheIDOfTheCall(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := begin(t, 0, nil)
	c.Trace(message("before", "")) // nothing is configured
	c.Leg("early", "a")
	c.Apply(to(server.LocalAddr().(*net.UDPAddr).Port, "udp"), nil, "sbc01")
	dropped := message("dropped", "")
	dropped.Dropped = "not trusted"
	c.Trace(dropped)
	c.Trace(message("a", "Authorization: Digest response=\"SECRET\""))
	c.Leg("9f2b3c4d", "a")
	c.Leg("9f2b3c4d", "b")
	out := message("b", "a=crypto:1 AES inline:SECRET")
	out.Sent, out.Transport = true, siptransport.TLS
	c.Trace(out)
	c.Ended(&status.Record{ID: "9f2b3c4d"})
	c.Trace(message("b", ""))
	c.Trace(message("register", "Contact: <sip:user:SECRET@192.0.2.1>"))
	b := make([]byte, 70000)
	for n, want := range []struct{ call, source, protocol string }{{"9f2b3c4d", "192.0.2.9", "\x11"}, {"9f2b3c4d", "192.0.2.1", "\x06"}, {"9f2b3c4d", "192.0.2.9", "\x11"}, {"register", "192.0.2.9", "\x11"}} {
		size, _, err := server.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, b[:size])
		source, _ := netip.AddrFromSlice(got[chunkSource4])
		if string(got[chunkCorrelation]) != want.call || source.String() != want.source || string(got[chunkProtocol]) != want.protocol ||
			string(got[chunkAuthKey]) != "mykey" || string(got[chunkNodeName]) != "sbc01" || string(got[chunkNode]) != "\x00\x00\x00\x01" || string(got[chunkType]) != "\x01" {
			t.Errorf("packet %d: %v", n, got)
		}
		if strings.Contains(string(got[chunkPayload]), "SECRET") {
			t.Errorf("a secret is told: %s", got[chunkPayload])
		}
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		told := slices.Equal(c.away, []string{""})
		c.mu.Unlock()
		if told {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it is not told that the server is reached")
		}
	}
	if s := c.Status(); s.State != status.HEPSending || s.Sent < 3 || s.Error != "" {
		t.Errorf("the state is %+v", s)
	}
}

// What is known of calls is forgotten a while after they end.
func TestCallsAreForgotten(t *testing.T) {
	c := New(Options{})
	c.Apply(to(1, "udp"), nil, "")
	for n := range 10 {
		call := string(rune('a' + n))
		c.Leg(call, call+"1")
		c.Leg(call, call+"2")
		c.Leg("other", call+"1") // a peer that takes the Call-ID of another
		c.Ended(&status.Record{ID: call})
	}
	for n := range c.over {
		c.over[n].at = c.over[n].at.Add(-2 * linger)
	}
	c.Ended(&status.Record{ID: "nobody"})
	if len(c.calls)+len(c.legs)+len(c.over) > 0 {
		t.Errorf("left: %v, %v, %v", c.calls, c.legs, c.over)
	}
}

// A connection that breaks is made anew, over TCP and TLS, and what comes meanwhile is sent then.
func TestAConnectionThatBreaks(t *testing.T) {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	for _, transport := range []string{"tcp", "tls"} {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		if transport == "tls" {
			l = tls.NewListener(l, &tls.Config{Certificates: web.TLS.Certificates})
		}
		c := begin(t, time.Hour, func(p *config.TLSProfile, host string) (*tls.Config, error) {
			if p.Name != "MINE" || host != "homer.example.com" {
				t.Errorf("profile %s, host %s", p.Name, host)
			}
			return &tls.Config{InsecureSkipVerify: true}, nil
		})
		c.Apply(to(port, transport), &config.TLSProfile{Name: "MINE"}, "sbc01")
		for _, id := range []string{"first", "second"} {
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c.Trace(message(id, ""))
			r := bufio.NewReader(conn)
			head, err := r.Peek(6)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, binary.BigEndian.Uint16(head[4:]))
			if _, err := io.ReadFull(r, b); err != nil {
				t.Fatal(err)
			}
			if got := read(t, b); string(got[chunkCorrelation]) != id {
				t.Errorf("%s: %v", transport, got)
			}
			conn.Close()
		}
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			c.mu.Lock()
			told := slices.Clone(c.away)
			c.mu.Unlock()
			if slices.Contains(told, "") {
				t.Fatalf("%s: a server that closes each connection is said to be reached: %q", transport, told)
			}
			if len(told) > 1 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: nothing is told of the broken connection: %q", transport, told)
			}
		}
		s := c.Status()
		if s.Server != "homer.example.com:"+strconv.Itoa(port)+"/"+transport || s.State != status.HEPAway || s.Sent != 2 || s.Error == "" || s.Failed.IsZero() {
			t.Errorf("%s: the state is %+v", transport, s)
		}
		c.Apply(nil, nil, "")
		for c.Status().State != status.HEPOff {
			time.Sleep(time.Millisecond)
		}
	}
}

// While nobody takes them, messages give way to newer ones, and nothing waits.
func TestTheOldestGivesWay(t *testing.T) {
	c := New(Options{})
	c.Apply(to(1, "udp"), nil, "")
	for range queued + 100 {
		c.Trace(message("x", ""))
	}
	if s := c.Status(); s.Shed != 100 || s.Waiting != queued {
		t.Errorf("%d shed, %d wait", s.Shed, s.Waiting)
	}
	long := strings.Repeat("x", 60_000)
	for range 200 {
		c.Trace(message("y", long))
	}
	if c.octets.Load() > room || len(c.queue) < 60 {
		t.Errorf("%d octets wait in %d messages", c.octets.Load(), len(c.queue))
	}
	c.drop()
	if c.octets.Load() != 0 {
		t.Errorf("%d octets in an empty queue", c.octets.Load())
	}
}

// A message costs no memory but that of the pool.
func BenchmarkTrace(b *testing.B) {
	c := New(Options{})
	c.Apply(to(1, "udp"), nil, "")
	m := message("x", strings.Repeat("v=0 ", 300))
	b.ReportAllocs()
	for b.Loop() {
		c.Trace(m)
	}
}

func BenchmarkPacket(b *testing.B) {
	c := New(Options{})
	s := &settings{HEP: *to(1, "udp")}
	w := writer{b: make([]byte, 0, 4096), lower: make([]byte, 0, 4096)}
	m := message("x", strings.Repeat("v=0 ", 300))
	x := &entry{at: m.Time, local: m.Local, remote: m.Remote, kind: typeSIP, text: m.Message}
	b.ReportAllocs()
	for b.Loop() {
		w.b = c.packet(s, &w, x)
	}
}
