package interop

import (
	"context"
	"crypto/tls"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/lab"
)

var (
	loadRate    = flag.Int("rate", 300, "calls per second of BenchmarkCalls")
	loadSeconds = flag.Int("seconds", 60, "how long BenchmarkCalls begins calls")
	loadProfile = flag.String("profile", "", "`file` for a CPU profile of sbcd under BenchmarkCalls")
)

const (
	loadHold = 2 * time.Second
	ticks    = 100 // of CPU time in /proc, per second (USER_HZ)
)

// BenchmarkCalls sends calls from a Teams hub over TLS through the box to a PBX over UDP: INVITE, 180, 200, ACK, two seconds of
// nothing, BYE, with media set up on both sides (SRTP and RTP). The PBX is SIPp, the hub the generator of hub_test.go; CPU and memory
// are those of sbcd alone.
func BenchmarkCalls(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Duration(*loadSeconds)*time.Second+time.Minute)
	defer cancel()
	l := newLoad(b, ctx, 4**loadRate*int(loadHold/time.Second))
	pid := l.box.PID()
	pbx := l.pbx()
	h := l.hub()

	before, start := cpu(b, pid), time.Now()
	var memory []int // KiB, every ten seconds
	n := 0
	for tick := time.NewTicker(5 * time.Millisecond); time.Since(start) < time.Duration(*loadSeconds)*time.Second; <-tick.C {
		for due := int(time.Since(start).Seconds() * float64(*loadRate)); n < due; n++ {
			h.call(n)
		}
		if int(time.Since(start)/(10*time.Second)) > len(memory) {
			memory = append(memory, resident(b, pid))
		}
	}
	took := time.Since(start)
	for deadline := time.Now().Add(10 * time.Second); h.ended.Load()+h.failed.Load() < int64(n) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	used := cpu(b, pid) - before
	h.abandon()
	time.Sleep(2 * time.Second) // SIPp's calls end
	if err := pbx.Stop(10 * time.Second); err != nil {
		b.Logf("sipp: %v", err)
	}
	far := l.statistics()
	if err := l.box.WaitAlloc(ctx, "sip-sessions", 0); err != nil {
		b.Error(err)
	}
	slices.Sort(h.setups)
	percentile := func(p int) float64 {
		if len(h.setups) == 0 {
			return 0
		}
		return float64(h.setups[(len(h.setups)-1)*p/100].Microseconds()) / 1000
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(n), "calls")
	b.ReportMetric(float64(n)/took.Seconds(), "calls/s")
	b.ReportMetric(float64(h.failed.Load()), "failures")
	b.ReportMetric(used.Seconds()*1000/float64(n), "CPU-ms/call")
	b.ReportMetric(percentile(50), "ms-setup-p50")
	b.ReportMetric(percentile(99), "ms-setup-p99")
	if len(memory) > 4 { // the timers of a transaction run for 32 s
		b.ReportMetric(float64(memory[3])/1024, "MiB-at-40s")
		b.ReportMetric(float64(memory[len(memory)-1])/1024, "MiB-at-end")
	}
	if h.failed.Load() > 0 || len(h.complaints) > 0 {
		b.Errorf("%d of %d calls failed: %v", h.failed.Load(), n, h.complaints)
	}
	if far["SuccessfulCall"] != n || far["FailedCall"] != 0 {
		b.Errorf("the PBX saw %d calls go well and %d fail, of %d", far["SuccessfulCall"], far["FailedCall"], n)
	}
}

// load is a box between a SIPp and a hub.
type load struct {
	b     testing.TB
	ctx   context.Context
	world *lab.World
	box   *lab.Box
	dir   string
}

// newLoad starts a box with licenses for so many calls at once, and with the reference configuration but for what replacements (old,
// new, ...) change.
func newLoad(b testing.TB, ctx context.Context, concurrent int, replacements ...string) *load {
	l := &load{b: b, ctx: ctx, dir: b.TempDir()}
	state := b.TempDir()
	log, err := os.Create(filepath.Join(l.dir, "sbcd.log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { log.Close() })
	if l.world, err = lab.New(ctx, lab.Options{NoTeams: true, NoStarface: true}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.world.Close(); err != nil {
			b.Error(err)
		}
	})
	for _, name := range []string{"sip.pstnhub.microsoft.com", "sip2.pstnhub.microsoft.com", "sip3.pstnhub.microsoft.com", "sip-du-a-eu.pstnhub.microsoft.com"} {
		l.world.DNS.Set(name, lab.WANPeerAddr)
	}
	p := lab.Programs{SBCD: programs.sbcd, Consoled: programs.consoled, State: state, Log: log}
	if *loadProfile != "" {
		p.Arguments = []string{"-cpuprofile", *loadProfile}
	}
	if l.box, err = l.world.StartBox(ctx, p); err != nil {
		b.Fatal(err)
	}
	paste, err := l.world.Paste(lab.Setup{Sessions: concurrent, Channels: concurrent, Configuration: strings.NewReplacer(append(replacements,
		"register auto", "register none",
		"    penalty-box sip-option-trigger interval 60 timeout 60 force tls\n", "",
		"    srtp renegotiate-on-connect\n", "", // a call is INVITE and BYE here
	)...).Replace(lab.Configuration)})
	if err != nil {
		b.Fatal(err)
	}
	if out, err := l.box.Paste(ctx, paste); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	l.until("gateways up", func() bool {
		text, err := l.box.Exec(ctx, "show context sip-gateway")
		return err == nil && strings.Contains(text, "192.168.1.1:5060") && strings.Contains(text, "123.123.123.123:5062")
	})
	l.until("names resolve", func() bool {
		text, err := l.box.Exec(ctx, "nslookup "+lab.StarfaceName)
		return err == nil && strings.Contains(text, lab.StarfaceAddr.String())
	})
	return l
}

func (l *load) until(what string, f func() bool) {
	l.b.Helper()
	for !f() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-l.ctx.Done():
			l.b.Fatalf("%s: never", what)
		}
	}
}

// pbx is a SIPp that answers every call.
func (l *load) pbx() *lab.Process {
	l.b.Helper()
	scenario, err := filepath.Abs("testdata/pbx-load.xml")
	if err != nil {
		l.b.Fatal(err)
	}
	p, err := l.world.LAN.Start(&exec.Cmd{Path: lookPath(l.b, "sipp"), Dir: l.dir, Args: []string{"sipp", "-sf", scenario,
		"-i", lab.StarfaceAddr.String(), "-p", "5060", "-nostdin", "-buff_size", "4194304", "-trace_stat", "-stf", "statistics.csv", "-fd", "1"}})
	if err != nil {
		l.b.Fatal(err)
	}
	l.b.Cleanup(func() { _ = p.Stop(time.Second) })
	time.Sleep(500 * time.Millisecond)
	return p
}

func lookPath(b testing.TB, name string) string {
	b.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// hub opens four connections to the box.
func (l *load) hub() *hub {
	l.b.Helper()
	var conns []*tls.Conn
	for range 4 {
		c, err := l.world.WAN.Dial(l.ctx, "tcp", lab.WANPeerAddr.String(), lab.BoxWAN.String()+":5062")
		if err != nil {
			l.b.Fatal(err)
		}
		t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{l.world.PKI.Teams}})
		if err := t.HandshakeContext(l.ctx); err != nil {
			l.b.Fatal(err)
		}
		l.b.Cleanup(func() { t.Close() })
		conns = append(conns, t)
	}
	return newHub(lab.SBCName+":5062", lab.WANPeerAddr.String()+":5061", loadHold, conns...)
}

// statistics reads the last line that SIPp wrote.
func (l *load) statistics() map[string]int {
	l.b.Helper()
	f, err := os.Open(filepath.Join(l.dir, "statistics.csv"))
	if err != nil {
		l.b.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = ';', -1, true
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		l.b.Fatalf("statistics of SIPp: %d lines, %v", len(rows), err)
	}
	last, counts := rows[len(rows)-1], map[string]int{}
	for i, name := range rows[0] {
		if base, ok := strings.CutSuffix(name, "(C)"); ok && i < len(last) {
			counts[base], _ = strconv.Atoi(last[i])
		}
	}
	return counts
}

// cpu is the time that a process has used, user and system.
func cpu(b testing.TB, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

// resident is the memory that a process holds, in KiB.
func resident(b testing.TB, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, _ := strconv.Atoi(strings.Fields(rest)[0])
	return n
}
