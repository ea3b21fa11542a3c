package media

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	"golang.org/x/sys/unix"
)

// The load benchmark runs the generator as a process of its own on another processor, so that what is counted as the relay's is
// the relay's alone: the processor time of this whole process, runtime and collector included.

const (
	loadRole   = "VIADUCT_MEDIA_LOAD" // environment: this process is the generator
	loadWarmUp = time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(loadRole) != "" {
		if err := generate(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "load generator:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + Threads) // as sbcd has it
	os.Exit(m.Run())
}

// loadPlan is what the generator is told.
type loadPlan struct {
	Calls    []loadCall
	Duration time.Duration
}

type loadCall struct {
	A, B          netip.AddrPort // the relay's ports
	Send, Receive []byte         // master keys of the SRTP side, seen from the generator
}

// loadResult is what it found.
type loadResult struct {
	Sent, Received, Bad int
	P50, P99, P999, Max time.Duration
}

type generator struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	// Addresses that the generator sends from and receives at.
	A, B netip.AddrPort
}

func startGenerator(t testing.TB) *generator {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{cmd: exec.Command(self)}
	g.cmd.Env = append(os.Environ(), loadRole+"=1")
	g.cmd.Stderr = os.Stderr
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	g.out = bufio.NewReader(out)
	if g.in, err = g.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.in.Close()
		_ = g.cmd.Wait()
	})
	g.read(t, &g.A)
	g.read(t, &g.B)
	return g
}

func (g *generator) read(t testing.TB, v any) {
	t.Helper()
	line, err := g.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, v)
	}
	if err != nil {
		t.Fatalf("load generator: %v", err)
	}
}

// run offers the load and returns what came of it, with the processor time that cpu reports over the measured part.
func (g *generator) run(t testing.TB, plan loadPlan, cpu func() time.Duration) (loadResult, time.Duration) {
	t.Helper()
	if err := json.NewEncoder(g.in).Encode(plan); err != nil {
		t.Fatal(err)
	}
	var begun string
	g.read(t, &begun)
	before := cpu()
	var result loadResult
	g.read(t, &result)
	return result, cpu() - before
}

func (r loadResult) report(b *testing.B, calls int, used, over time.Duration) {
	b.ReportMetric(100*used.Seconds()/over.Seconds()/float64(calls), "cpu-s/s/100calls")
	b.ReportMetric(100*float64(r.Sent-r.Received)/float64(r.Sent), "lost-%")
	b.ReportMetric(float64(r.P50.Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(r.P99.Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(r.P999.Microseconds())/1000, "p99.9-ms")
	b.ReportMetric(0, "ns/op")
	if r.Bad > 0 {
		b.Errorf("%d packets came damaged", r.Bad)
	}
}

// BenchmarkRelayLoad relays N calls, SRTP on one side and RTP on the other, 20 ms packets both ways, in real time.
// VIADUCT_LOAD_SECONDS sets how long (default 5), VIADUCT_LOAD_CALLS which N ("100,500,1000"), VIADUCT_LOAD_OWN=1 that each port's own
// socket is read.
func BenchmarkRelayLoad(b *testing.B) {
	for _, calls := range loadSizes(b) {
		b.Run(strconv.Itoa(calls), func(b *testing.B) { relayLoad(b, calls, func([]SessionSide) {}) })
	}
}

// BenchmarkStatsUnderLoad asks for the figures of all sides of N calls under that load, ten times a second.
func BenchmarkStatsUnderLoad(b *testing.B) {
	for _, calls := range loadSizes(b) {
		b.Run(strconv.Itoa(calls), func(b *testing.B) {
			var took []time.Duration
			relayLoad(b, calls, func(all []SessionSide) {
				began := time.Now()
				if list := StatsOf(all); len(list) != 2*calls {
					b.Errorf("%d figures", len(list))
				}
				took = append(took, time.Since(began))
			})
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "stats-p50-ms")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "stats-max-ms")
		})
	}
}

func loadSizes(t testing.TB) (list []int) {
	text := os.Getenv("VIADUCT_LOAD_CALLS")
	if text == "" {
		text = "100,500,1000"
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

func loadSeconds() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("VIADUCT_LOAD_SECONDS")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return 5 * time.Second
}

// relayLoad runs during, with all sides, again and again while the load is measured.
func relayLoad(b *testing.B, calls int, during func(all []SessionSide)) {
	needFiles(b, 8*calls+100)
	g := startGenerator(b) // before pin: a child inherits the processor
	pin(b, 0)
	b.Cleanup(func() { pin(b, -1) })
	own := os.Getenv("VIADUCT_LOAD_OWN") == "1"
	r := running(b, Options{ownSockets: own})
	if err := r.prepare(); err != nil || own != (r.steering == nil) {
		b.Fatal("the kernel does not let us steer ports: CAP_BPF and CAP_NET_ADMIN are needed, or VIADUCT_LOAD_OWN=1")
	}
	plan := loadPlan{Duration: loadSeconds()}
	var all []SessionSide
	resident := residentMemory()
	for range calls {
		s := r.NewSession()
		all = append(all, SessionSide{s, A}, SessionSide{s, B})
		b.Cleanup(func() { s.Close() })
		a, errA := s.Open(A, PortOptions{Addr: netip.MustParseAddr("127.0.0.3")})
		bb, errB := s.Open(B, PortOptions{Addr: netip.MustParseAddr("127.0.0.4")})
		if errA != nil || errB != nil {
			b.Fatal(errA, errB)
		}
		local, remote := srtptest.Key(srtp.AES80), srtptest.Key(srtp.AES80)
		p := Params{Remote: g.A, Mux: true, LocalKey: &local, RemoteKey: &remote, Latch: LatchHost, Send: true, Receive: true, AudioPT: 8, DTMFPT: 101, CNPT: 13}
		if err := s.Set(A, p); err != nil {
			b.Fatal(err)
		}
		p.Remote, p.LocalKey, p.RemoteKey, p.Latch = g.B, nil, nil, LatchNone
		if err := s.Set(B, p); err != nil {
			b.Fatal(err)
		}
		plan.Calls = append(plan.Calls, loadCall{A: a.RTP, B: bb.RTP, Send: remote.Master, Receive: local.Master})
	}
	runtime.GC()
	perCall := float64(residentMemory()-resident) / 1024 / float64(calls)
	var mallocs []uint64
	ctx, stop := context.WithCancel(b.Context())
	var beside sync.WaitGroup
	beside.Go(func() {
		for ctx.Err() == nil {
			during(all)
			time.Sleep(100 * time.Millisecond)
		}
	})
	result, used := g.run(b, plan, func() time.Duration {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mallocs = append(mallocs, m.Mallocs)
		return ownTime()
	})
	stop()
	beside.Wait()
	result.report(b, calls, used, plan.Duration)
	b.ReportMetric(perCall, "KiB/call")
	b.ReportMetric(float64(mallocs[1]-mallocs[0])/float64(result.Sent), "allocs/packet")
}

// ownTime is the processor time of this process.
func ownTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func residentMemory() int {
	b, _ := os.ReadFile("/proc/self/statm")
	f := strings.Fields(string(b))
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize()
}

// pin keeps all threads of this process on one processor, or frees them.
func pin(t testing.TB, cpu int) {
	t.Helper()
	var set unix.CPUSet
	for i := range runtime.NumCPU() {
		if cpu < 0 || i == cpu {
			set.Set(i)
		}
	}
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, task := range tasks {
		id, _ := strconv.Atoi(filepath.Base(task))
		_ = unix.SchedSetaffinity(id, &set) // a thread may have ended
	}
}

func needFiles(t testing.TB, n int) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Max < uint64(n) {
		t.Fatalf("needs %d open files, the limit is %d (%v)", n, l.Max, err)
	}
	l.Cur = l.Max
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
}

// loader is the generator's state: one socket per side, since the relay tells calls apart by its own ports.
type loader struct {
	a, b      *loadSocket
	crypt     *srtp.Crypter
	calls     []loaderCall
	latencies []time.Duration
	result    loadResult
	measuring bool
}

type loaderCall struct {
	a, b          sockaddr
	send, receive *srtp.Keys
	seq           uint64
	ssrc          uint32
	heardIndex    srtp.Window
}

func generate(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(runtime.NumCPU() - 1)
	_ = unix.SchedSetaffinity(0, &set)
	g := &loader{crypt: srtp.NewCrypter()}
	var err error
	if g.a, err = newLoadSocket("127.0.0.1"); err != nil {
		return err
	}
	if g.b, err = newLoadSocket("127.0.0.2"); err != nil {
		return err
	}
	answer := json.NewEncoder(out)
	_ = answer.Encode(g.a.addr)
	_ = answer.Encode(g.b.addr)
	var plan loadPlan
	if err := json.NewDecoder(in).Decode(&plan); err != nil {
		return err
	}
	byPort := map[uint16]int{}
	for i, c := range plan.Calls {
		l := loaderCall{ssrc: uint32(i + 1), seq: 100}
		l.a.set(addressOf(c.A), unix.AF_INET)
		l.b.set(addressOf(c.B), unix.AF_INET)
		for _, k := range []struct {
			to     **srtp.Keys
			master []byte
		}{{&l.send, c.Send}, {&l.receive, c.Receive}} {
			if *k.to, err = srtp.NewKeys(srtp.Key{Suite: srtp.AES80, Master: k.master}); err != nil {
				return err
			}
		}
		byPort[c.A.Port()] = i
		g.calls = append(g.calls, l)
	}
	g.loop(loadWarmUp, byPort)
	g.settle(byPort)
	g.result, g.latencies, g.measuring = loadResult{}, make([]time.Duration, 0, 1<<20), true
	_ = answer.Encode("begun")
	g.loop(plan.Duration, byPort)
	g.measuring = false
	g.settle(byPort)
	slices.Sort(g.latencies)
	if n := len(g.latencies); n > 0 {
		g.result.P50, g.result.P99, g.result.P999, g.result.Max = g.latencies[n/2], g.latencies[n*99/100], g.latencies[n*999/1000], g.latencies[n-1]
	}
	return answer.Encode(g.result)
}

// loop sends for a while: every millisecond a twentieth of the calls, one packet each way.
func (g *loader) loop(length time.Duration, byPort map[uint16]int) {
	start := time.Now()
	for slot := 0; time.Duration(slot)*time.Millisecond < length; slot++ {
		for i := slot % 20; i < len(g.calls); i += 20 {
			g.offer(&g.calls[i])
		}
		g.a.flush()
		g.b.flush()
		g.collect(byPort)
		if rest := time.Until(start.Add(time.Duration(slot+1) * time.Millisecond)); rest > 0 {
			time.Sleep(rest)
		}
	}
}

// settle waits for what is still under way.
func (g *loader) settle(byPort map[uint16]int) {
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		g.collect(byPort)
	}
}

// offer queues a packet each way. The payload begins with the time.
func (g *loader) offer(c *loaderCall) {
	c.seq++
	now := uint64(time.Now().UnixNano())
	p := g.a.next(&c.a)
	fillLoad(p, c.ssrc, c.seq, now)
	g.a.size(g.crypt.Protect(c.send, p, 172, 12, c.seq))
	p = g.b.next(&c.b)
	fillLoad(p, c.ssrc, c.seq, now)
	g.b.size(172)
	g.result.Sent += 2
}

func fillLoad(p []byte, ssrc uint32, seq, now uint64) {
	p[0], p[1], p[2], p[3] = 0x80, 8, byte(seq>>8), byte(seq)
	ts := uint32(seq) * 160
	p[4], p[5], p[6], p[7] = byte(ts>>24), byte(ts>>16), byte(ts>>8), byte(ts)
	p[8], p[9], p[10], p[11] = byte(ssrc>>24), byte(ssrc>>16), byte(ssrc>>8), byte(ssrc)
	binary.BigEndian.PutUint64(p[12:], now)
	binary.BigEndian.PutUint64(p[20:], ^now)
}

// collect takes what came. RTP shows its sending time; of SRTP one packet in eight is decrypted.
func (g *loader) collect(byPort map[uint16]int) {
	for range 64 {
		n := g.b.receive()
		for i := range n {
			p, _, stamp := g.b.packet(i)
			if isRTCP(p[1]) {
				continue
			}
			g.result.Received++
			g.check(p, stamp)
		}
		m := g.a.receive()
		for i := range m {
			p, from, stamp := g.a.packet(i)
			if isRTCP(p[1]) {
				continue
			}
			g.result.Received++
			c := &g.calls[byPort[from.port]]
			index, _ := c.heardIndex.Estimate(uint16(p[2])<<8 | uint16(p[3]))
			c.heardIndex.Mark(index)
			if index%8 == 0 {
				if size, ok := g.crypt.Unprotect(c.receive, p, 12, index); ok {
					g.check(p[:size], stamp)
				} else {
					g.result.Bad++
				}
			}
		}
		if n+m == 0 {
			return
		}
	}
}

func (g *loader) check(p []byte, stamp int64) {
	if len(p) != 172 || binary.BigEndian.Uint64(p[12:]) != ^binary.BigEndian.Uint64(p[20:]) {
		g.result.Bad++
		return
	}
	if g.measuring && len(g.latencies) < cap(g.latencies) {
		g.latencies = append(g.latencies, time.Duration(stamp-int64(binary.BigEndian.Uint64(p[12:]))))
	}
}
