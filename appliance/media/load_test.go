package media

import (
	"context"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"viaduct/appliance/media/mediatest"
	"viaduct/appliance/pair"
	"viaduct/appliance/srtp"
	"viaduct/appliance/srtp/srtptest"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	mediatest.Main()
	os.Exit(m.Run())
}

// loadSizes are the numbers of calls that are relayed unless VIADUCT_LOAD_CALLS names others.
var loadSizes = []int{100, 500, 1000}

func loadTime() time.Duration { return mediatest.Duration(5 * time.Second) }

// BenchmarkRelayLoad relays N calls, SRTP on one side and RTP on the other, 20 ms packets both ways, in real time.
// VIADUCT_LOAD_SECONDS sets how long (default 5), VIADUCT_LOAD_CALLS which N ("100,500,1000"), VIADUCT_LOAD_OWN=1 that each port's own
// socket is read. BenchmarkMedia of package interop does the same on a box, behind its firewall.
func BenchmarkRelayLoad(b *testing.B) {
	for _, calls := range mediatest.Sizes(b, loadSizes...) {
		b.Run(strconv.Itoa(calls), func(b *testing.B) { relayLoad(b, calls, func([]SessionSide) {}) })
	}
}

// BenchmarkStatsUnderLoad asks for the figures of all sides of N calls under that load, ten times a second.
func BenchmarkStatsUnderLoad(b *testing.B) {
	for _, calls := range mediatest.Sizes(b, loadSizes...) {
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

// relayLoad runs during, with all sides, again and again while the load is measured.
func relayLoad(b *testing.B, calls int, during func(all []SessionSide)) {
	needFiles(b, 8*calls+100)
	g := mediatest.StartOnLoopback(b)
	mediatest.Pin(0, 0)
	b.Cleanup(func() { mediatest.Pin(0, -1) })
	own := os.Getenv("VIADUCT_LOAD_OWN") == "1"
	var term pair.Term
	term.Extend(time.Hour) // as of the active box of a pair
	r := running(b, Options{Term: &term, ownSockets: own, Unfiltered: func(string) bool { return true }})
	if err := r.prepare(); err != nil || own != (r.steering == nil) {
		b.Fatal("the kernel does not let us steer ports: CAP_BPF and CAP_NET_ADMIN are needed, or VIADUCT_LOAD_OWN=1")
	}
	plan := mediatest.Plan{Duration: loadTime()}
	var all []SessionSide
	resident := mediatest.Resident(b, os.Getpid())
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
		p := Params{Remote: g.A, Mux: true, Keys: Keys{&local, &remote}, Latch: LatchHost, Send: true, Receive: true, AudioPT: 8, DTMFPT: 101, CNPT: 13}
		if err := s.Set(A, p); err != nil {
			b.Fatal(err)
		}
		p.Remote, p.LocalKey, p.RemoteKey, p.Latch = g.B, nil, nil, LatchNone
		if err := s.Set(B, p); err != nil {
			b.Fatal(err)
		}
		plan.Calls = append(plan.Calls, mediatest.Call{A: a.RTP, B: bb.RTP, Send: remote.Master, Receive: local.Master})
	}
	runtime.GC()
	perCall := float64(mediatest.Resident(b, os.Getpid())-resident) / 1024 / float64(calls)
	var mallocs []uint64
	ctx, stop := context.WithCancel(b.Context())
	var beside sync.WaitGroup
	beside.Go(func() {
		for ctx.Err() == nil {
			during(all)
			time.Sleep(100 * time.Millisecond)
		}
	})
	result, used := g.Run(b, plan, func() time.Duration {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		mallocs = append(mallocs, m.Mallocs)
		return mediatest.OnFirst(b, os.Getpid())
	})
	stop()
	beside.Wait()
	result.Report(b, plan, used)
	b.ReportMetric(perCall, "KiB/call")
	b.ReportMetric(float64(mallocs[1]-mallocs[0])/float64(result.Sent), "allocs/packet")
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
