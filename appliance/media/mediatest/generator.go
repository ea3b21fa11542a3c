package mediatest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

const role = "VIADUCT_MEDIA_LOAD" // environment: this process is the generator, or the Floor, on the processor of this number

// Main is the generator's whole life where this process is one, or the Floor's, and nothing otherwise. TestMain calls it first.
func Main() {
	who, text, ok := strings.Cut(os.Getenv(role), " ")
	if !ok {
		return
	}
	processor, err := strconv.Atoi(text)
	if err == nil {
		runtime.LockOSThread()
		Pin(0, processor)
		switch who {
		case generating:
			err = generate(os.Stdin, os.Stdout)
		case passing:
			err = pass(os.Stdin, os.Stdout)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", who, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// What a process of ours does.
const (
	generating = "generator"
	passing    = "floor"
)

// Plan is what the generator is told: each call gets a packet each way every 20 ms.
type Plan struct {
	Calls    []Call
	Duration time.Duration
}

// Call has SRTP (AES_CM_128_HMAC_SHA1_80) on side A and RTP on side B.
type Call struct {
	A, B          netip.AddrPort // the relay's ports
	Send, Receive []byte         // master keys of side A, seen from the generator; nil: RTP on that side, too
}

// Result is what it found. Latency is what the way through the relay takes: from the moment at which the kernel hands a packet to the device
// of the generator to the one at which it has come from the relay. Neither the generator nor how soon it reads is in it.
type Result struct {
	Sent, Received, Bad int
	P50, P99, P999, Max time.Duration
	MadeP99             time.Duration // the same from when the generator began to write the packet, as figures of November have it
	LateP99             time.Duration // of how long after their time packets left: late ones come in heaps, for which no relay can
	Busy                time.Duration // processor time of the generator, which cannot send in time when it has none left
	Stolen              time.Duration // that the hypervisor gave to others while the relay's processor had work
	Others              time.Duration // that the relay's processor spent on other work of this machine
}

// Generator sends from one address on each side: relays tell calls apart by their own ports.
type Generator struct {
	A, B netip.AddrPort

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts a generator that uses two sockets. It ends with the test.
func Start(t testing.TB, a, b net.PacketConn) *Generator {
	t.Helper()
	g := &Generator{A: address(a), B: address(b)}
	var out io.Reader
	g.cmd, g.in, out = start(t, generating, Last(), a, b)
	g.out = bufio.NewReader(out)
	return g
}

// start starts this program as what it is by name, on a processor, with sockets that become its own. It ends with the test.
func start(t testing.TB, name string, processor int, sockets ...net.PacketConn) (cmd *exec.Cmd, in io.WriteCloser, out io.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	for _, c := range sockets {
		f, err := c.(*net.UDPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		defer c.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Env = append(os.Environ(), fmt.Sprint(role, "=", name, " ", processor),
		"GODEBUG=asyncpreemptoff=1") // a thread in system calls that the runtime is not told of would be woken for nothing
	cmd.Stderr = os.Stderr
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return cmd, in, out
}

func address(c net.PacketConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// StartOnLoopback is Start with addresses of the loopback device.
func StartOnLoopback(t testing.TB) *Generator {
	t.Helper()
	var sides [2]net.PacketConn
	for i, host := range []string{"127.0.0.1", "127.0.0.2"} {
		c, err := net.ListenPacket("udp4", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		sides[i] = c
	}
	return Start(t, sides[0], sides[1])
}

func (g *Generator) read(t testing.TB, v any) {
	t.Helper()
	line, err := g.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, v)
	}
	if err != nil {
		t.Fatalf("load generator: %v", err)
	}
}

// Run offers the load once and returns what came of it, with the processor time that cpu reports over the measured part.
func (g *Generator) Run(t testing.TB, plan Plan, cpu func() time.Duration) (Result, time.Duration) {
	t.Helper()
	if err := json.NewEncoder(g.in).Encode(plan); err != nil {
		t.Fatal(err)
	}
	var begun string
	g.read(t, &begun)
	before, own, first := cpu(), CPU(t, g.cmd.Process.Pid), clockOf(t, 0)
	var result Result
	g.read(t, &result)
	used, last := cpu()-before, clockOf(t, 0)
	result.Busy = CPU(t, g.cmd.Process.Pid) - own
	result.Stolen, result.Others = last.stolen-first.stolen, max(0, last.work-first.work-used)
	return result, used
}

// Report makes the result the benchmark's.
func (r Result) Report(b *testing.B, plan Plan, used time.Duration) {
	Metric(b, 0, "ns/op")
	Metric(b, 100*used.Seconds()/plan.Duration.Seconds()/float64(len(plan.Calls)), "cpu-s/s/100calls")
	Metric(b, 100*float64(r.Sent-r.Received)/float64(r.Sent), "lost-%")
	Metric(b, milliseconds(r.P50), "p50-ms")
	Metric(b, milliseconds(r.P99), "p99-ms")
	Metric(b, milliseconds(r.P999), "p99.9-ms")
	Metric(b, milliseconds(r.MadeP99), "p99-since-made-ms")
	Metric(b, milliseconds(r.LateP99), "generator-late-p99-ms")
	Metric(b, 100*r.Busy.Seconds()/plan.Duration.Seconds(), "generator-busy-%")
	Metric(b, milliseconds(r.Stolen), "stolen-ms")
	Metric(b, 100*r.Others.Seconds()/plan.Duration.Seconds(), "others-%")
	if r.Bad > 0 {
		b.Errorf("%d packets came damaged", r.Bad)
	}
}

// Metric is b.ReportMetric, and tells the figure also of a benchmark that fails.
func Metric(b *testing.B, value float64, unit string) {
	b.ReportMetric(value, unit)
	b.Cleanup(func() {
		if b.Failed() {
			b.Logf("%.4g %s", value, unit)
		}
	})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Sizes are the numbers of calls to measure with: VIADUCT_LOAD_CALLS ("100,500,1000"), or else these.
func Sizes(t testing.TB, otherwise ...int) (list []int) {
	text := os.Getenv("VIADUCT_LOAD_CALLS")
	if text == "" {
		return otherwise
	}
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatalf("VIADUCT_LOAD_CALLS: %v", err)
		}
		list = append(list, n)
	}
	return list
}

// Duration is how long to measure: VIADUCT_LOAD_SECONDS, or else this.
func Duration(otherwise time.Duration) time.Duration {
	if n, err := strconv.Atoi(os.Getenv("VIADUCT_LOAD_SECONDS")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return otherwise
}
