package names

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func resolver(t *testing.T, servers ...netip.AddrPort) *Resolver {
	t.Helper()
	r := New(func() []netip.AddrPort { return servers })
	t.Cleanup(r.Close)
	return r
}

func addrs(t *testing.T, r *Resolver, host string) string {
	t.Helper()
	got, err := r.Lookup(t.Context(), host)
	if err != nil {
		return "error"
	}
	return fmt.Sprint(got)
}

func TestStatusNamesTheSilentServers(t *testing.T) {
	s := newServer(t)
	s.set(func(s *server) {
		s.answers["one.test. A"] = []dnsmessage.Resource{a("one.test.", 60, "192.0.2.1")}
	})
	nobody := netip.MustParseAddrPort("127.0.0.9:9")
	r := resolver(t, nobody, s.addr)
	if got, err := r.Lookup(t.Context(), "one.test"); err != nil {
		t.Fatal(got, err)
	}
	list := r.Status()
	if len(list) != 2 || list[0].Address != nobody || !list[0].Silent.After(time.Now()) || list[1].Address != s.addr || !list[1].Silent.IsZero() {
		t.Errorf("%+v", list)
	}
}

func TestLookupOverTheWire(t *testing.T) {
	s := newServer(t)
	s.set(func(s *server) {
		s.answers["one.test. A"] = []dnsmessage.Resource{a("one.test.", 60, "192.0.2.1")}
		s.answers["two.test. A"] = []dnsmessage.Resource{a("two.test.", 60, "192.0.2.2"), a("two.test.", 60, "192.0.2.1")}
		// The order of the records does not matter, and those of other names are not believed.
		s.answers["chain.test. A"] = []dnsmessage.Resource{
			a("end.test.", 60, "192.0.2.9"), a("other.test.", 60, "6.6.6.6"), cname("mid.test.", 60, "end.test."), cname("Chain.Test.", 60, "mid.test.")}
		s.answers["alias.test. A"] = []dnsmessage.Resource{cname("alias.test.", 60, "one.test.")}
		s.answers["loop.test. A"] = []dnsmessage.Resource{cname("loop.test.", 60, "loop.test.")}
		s.answers["empty.test. A"] = nil
	})
	r := resolver(t, s.addr)
	for host, want := range map[string]string{
		"one.test":            "[192.0.2.1]",
		"ONE.Test.":           "[192.0.2.1]",
		"two.test":            "[192.0.2.2 192.0.2.1]",
		"chain.test":          "[192.0.2.9]",
		"alias.test":          "[192.0.2.1]",
		"loop.test":           "error",
		"empty.test":          "error",
		"none.test":           "error",
		"":                    "error",
		"a..b":                "error",
		"192.168.1.100":       "[192.168.1.100]",
		"[2001:db8::1]":       "[2001:db8::1]",
		"::ffff:192.168.1.10": "[192.168.1.10]",
	} {
		if got := addrs(t, r, host); got != want {
			t.Errorf("%q: %s, want %s", host, got, want)
		}
	}
	if _, err := r.Lookup(t.Context(), "none.test"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestServers(t *testing.T) {
	record := func(s *server) { s.answers["x.test. A"] = []dnsmessage.Resource{a("x.test.", 60, "192.0.2.1")} }
	dead := func(s *server) { s.silent = true }
	fails := func(s *server) { s.rcode = dnsmessage.RCodeServerFailure }
	for _, tc := range []struct {
		name  string
		setup []func(*server)
		want  string
		atMax time.Duration
	}{
		{"the first server is dead", []func(*server){dead, record}, "[192.0.2.1]", 2 * time.Second},
		{"the first server fails", []func(*server){fails, record}, "[192.0.2.1]", nextServer},
		{"the server refuses EDNS", []func(*server){func(s *server) { record(s); s.noEDNS = true }}, "[192.0.2.1]", nextServer},
		{"the answer is too long for UDP", []func(*server){func(s *server) { record(s); s.tcpOnly = true }}, "[192.0.2.1]", time.Second},
		{"forged answers come first", []func(*server){func(s *server) { record(s); s.forge = true }}, "[192.0.2.1]", nextServer},
		{"all servers fail", []func(*server){fails, fails}, "error", nextServer},
		{"no servers", nil, "error", nextServer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var took time.Duration
			for range 10 { // a machine that has other things to do does not hinder every time
				var list []netip.AddrPort
				for _, f := range tc.setup {
					s := newServer(t)
					s.set(f)
					list = append(list, s.addr)
				}
				start := time.Now()
				if got := addrs(t, resolver(t, list...), "x.test"); got != tc.want {
					t.Fatalf("%s, want %s", got, tc.want)
				}
				if took = time.Since(start); took <= tc.atMax {
					return
				}
			}
			t.Errorf("took %v", took)
		})
	}
}

func TestDeadServerIsAskedLastForAWhile(t *testing.T) {
	asked := 0
	for range 10 { // a machine that has other things to do does not hinder the living one every time
		dead, live := newServer(t), newServer(t)
		dead.set(func(s *server) { s.silent = true })
		live.set(func(s *server) {
			for i := range 4 {
				name := fmt.Sprintf("n%d.test.", i)
				s.answers[name+" A"] = []dnsmessage.Resource{a(name, 60, "192.0.2.1")}
			}
		})
		r := resolver(t, dead.addr, live.addr)
		for i := range 4 {
			if got := addrs(t, r, fmt.Sprintf("n%d.test", i)); got != "[192.0.2.1]" {
				t.Fatal(got)
			}
		}
		if asked, _ = dead.counts(); asked == 1 {
			return
		}
	}
	t.Errorf("the dead server was asked %d times", asked)
}

func TestCloseEndsAQueryUnderWay(t *testing.T) {
	s := newServer(t)
	s.set(func(s *server) { s.silent = true })
	r := resolver(t, s.addr)
	if r.Cached("x.test") != nil {
		t.Fatal("known already")
	}
	start := time.Now()
	r.Close()
	if time.Since(start) > queryTime-time.Second {
		t.Error("Close waited for the time-out")
	}
	if _, err := r.Lookup(t.Context(), "y.test"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestLookupTXT(t *testing.T) {
	s := newServer(t)
	name := dnsmessage.MustNewName("_validation-persist.sbc.test.")
	s.set(func(s *server) {
		for _, parts := range [][]string{{"authority.test; ", "accounturi=https://ca.test/1"}, {"another"}} {
			s.answers["_validation-persist.sbc.test. TXT"] = append(s.answers["_validation-persist.sbc.test. TXT"],
				dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 60}, Body: &dnsmessage.TXTResource{TXT: parts}})
		}
	})
	r := resolver(t, s.addr)
	got, err := r.LookupTXT(t.Context(), "_validation-persist.SBC.test")
	if err != nil || !slices.Equal(got, []string{"authority.test; accounturi=https://ca.test/1", "another"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := r.LookupTXT(t.Context(), "_validation-persist.other.test"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestLookupSRV(t *testing.T) {
	s := newServer(t)
	s.set(func(s *server) {
		s.answers["_sip._udp.pbx.test. SRV"] = []dnsmessage.Resource{
			srv("_sip._udp.pbx.test.", 20, 0, 5060, "c.test."),
			srv("_sip._udp.pbx.test.", 10, 90, 5061, "A.test."),
			srv("_sip._udp.pbx.test.", 10, 10, 5062, "b.test."),
		}
		s.answers["_sip._tcp.pbx.test. SRV"] = []dnsmessage.Resource{srv("_sip._tcp.pbx.test.", 0, 0, 0, ".")}
	})
	r := resolver(t, s.addr)
	first := map[string]int{}
	for range 200 {
		got, err := r.LookupSRV(t.Context(), "sip", "udp", "pbx.test")
		if err != nil || len(got) != 3 || got[2].Target != "c.test" {
			t.Fatal(got, err)
		}
		first[got[0].Target]++
	}
	if first["a.test"] < 140 || first["b.test"] == 0 {
		t.Errorf("drawn first, of 200 with weights 90 and 10: %v", first)
	}
	if _, err := r.LookupSRV(t.Context(), "sip", "tcp", "pbx.test"); !errors.Is(err, ErrNotFound) {
		t.Errorf("target %q: %v", ".", err)
	}
}

func TestOrderedKeepsEveryRecord(t *testing.T) {
	in := []net.SRV{{Target: "a"}, {Target: "b"}, {Target: "c", Weight: 65535}, {Target: "d", Weight: 65535, Priority: 1}}
	for range 100 {
		got := ordered(in)
		if len(got) != 4 || got[3].Target != "d" {
			t.Fatal(got)
		}
	}
}

// zone stands for the servers in tests of the cache, in virtual time.
type zone struct {
	mu    sync.Mutex
	addr  string
	ttl   time.Duration
	err   error
	delay time.Duration
	asked int
}

func (z *zone) ask(ctx context.Context, q question) (answer, error) {
	z.mu.Lock()
	z.asked++
	got, err := answer{ttl: z.ttl}, z.err
	if err == nil {
		got.addrs = []netip.Addr{netip.MustParseAddr(z.addr)}
	}
	delay := z.delay
	z.mu.Unlock()
	select {
	case <-time.After(delay):
		return got, err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

func (z *zone) set(f func()) { z.mu.Lock(); defer z.mu.Unlock(); f() }

func (z *zone) count() int { z.mu.Lock(); defer z.mu.Unlock(); return z.asked }

func inBubble(t *testing.T, f func(t *testing.T, r *Resolver, z *zone)) {
	synctest.Test(t, func(t *testing.T) {
		r := New(func() []netip.AddrPort { return nil })
		defer r.Close()
		z := &zone{addr: "192.0.2.1", ttl: 60 * time.Second}
		r.exchange = z.ask
		f(t, r, z)
	})
}

func TestCacheKeepsTheTTLAndRefreshesBeforeItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Resolver, z *zone) {
		expect := func(asked int, want string) {
			t.Helper()
			if got := addrs(t, r, "x.test"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			synctest.Wait()
			if z.count() != asked {
				t.Errorf("asked %d times, want %d", z.count(), asked)
			}
		}
		expect(1, "[192.0.2.1]")
		time.Sleep(44 * time.Second)
		expect(1, "[192.0.2.1]")
		z.set(func() { z.addr = "192.0.2.2" })
		time.Sleep(2 * time.Second)
		expect(2, "[192.0.2.1]") // asked in the background
		expect(2, "[192.0.2.2]")
		z.set(func() { z.addr = "192.0.2.3" })
		time.Sleep(61 * time.Second)
		expect(3, "[192.0.2.3]") // expired: waited for
	})
}

func TestStaleAnswerIsServedWhileTheServersFail(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Resolver, z *zone) {
		addrs(t, r, "x.test")
		z.set(func() { z.err, z.delay = errors.New("none answered"), queryTime })
		time.Sleep(2 * time.Minute)
		start := time.Now()
		if got := addrs(t, r, "x.test"); got != "[192.0.2.1]" || time.Since(start) != staleWait {
			t.Errorf("%s after %v", got, time.Since(start))
		}
		time.Sleep(6 * time.Second)
		asked := z.count()
		start = time.Now()
		if got := addrs(t, r, "x.test"); got != "[192.0.2.1]" || time.Since(start) != 0 || z.count() != asked {
			t.Errorf("just failed: %s after %v, asked %d times more", got, time.Since(start), z.count()-asked)
		}
		time.Sleep(25 * time.Hour)
		if got := addrs(t, r, "x.test"); got != "error" {
			t.Errorf("after a day: %s", got)
		}
		z.set(func() { z.err, z.delay = nil, 0 })
		time.Sleep(failureRetry)
		if got := addrs(t, r, "x.test"); got != "[192.0.2.1]" {
			t.Errorf("servers are back: %s", got)
		}
	})
}

func TestMissingNameIsForgottenSoon(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Resolver, z *zone) {
		addrs(t, r, "x.test")
		z.set(func() { z.err, z.ttl = ErrNotFound, time.Hour })
		time.Sleep(61 * time.Second)
		for range 10 {
			if got := addrs(t, r, "x.test"); got != "error" {
				t.Errorf("name was removed: %s", got)
			}
		}
		if z.count() != 2 {
			t.Errorf("asked %d times", z.count())
		}
		z.set(func() { z.err = nil })
		time.Sleep(maxNegative)
		if got := addrs(t, r, "x.test"); got != "[192.0.2.1]" {
			t.Errorf("name was added: %s", got)
		}
	})
}

func TestManyCallersOneQuery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Resolver, z *zone) {
		z.set(func() { z.delay = time.Second })
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got := addrs(t, r, "x.test"); got != "[192.0.2.1]" {
					t.Error(got)
				}
			})
		}
		wg.Wait()
		if z.count() != 1 {
			t.Errorf("asked %d times", z.count())
		}
	})
}

func TestCallerMayGiveUp(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Resolver, z *zone) {
		z.set(func() { z.delay = 3 * time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Lookup(ctx, "x.test"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(2 * time.Second) // the query went on for others
		synctest.Wait()
		if got := r.Cached("x.test"); len(got) != 1 {
			t.Error(got)
		}
	})
}

func TestCachedNeverBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Resolver, z *zone) {
		z.set(func() { z.delay = time.Second })
		start := time.Now()
		if got := r.Cached("x.test"); got != nil || time.Since(start) != 0 {
			t.Error(got, time.Since(start))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.Cached("X.test"); len(got) != 1 {
			t.Error(got)
		}
		time.Sleep(2 * time.Minute) // expired: served, and asked for again
		z.set(func() { z.addr = "192.0.2.2" })
		if got := r.Cached("x.test"); fmt.Sprint(got) != "[192.0.2.1]" {
			t.Error(got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.Cached("x.test"); fmt.Sprint(got) != "[192.0.2.2]" {
			t.Error(got)
		}
		if got := r.Cached("10.0.0.1"); fmt.Sprint(got) != "[10.0.0.1]" {
			t.Error(got)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Resolver, z *zone) {
		for i := range maxEntries + 10 {
			addrs(t, r, fmt.Sprintf("n%d.test", i))
			time.Sleep(time.Millisecond)
		}
		if len(r.cache) > maxEntries {
			t.Error(len(r.cache))
		}
		before := z.count()
		addrs(t, r, fmt.Sprintf("n%d.test", maxEntries+9))
		if z.count() != before {
			t.Error("the newest name was forgotten")
		}
	})
}

func FuzzParse(f *testing.F) {
	q := question{"x.test", dnsmessage.TypeA}
	for _, records := range [][]dnsmessage.Resource{
		{a("x.test.", 60, "192.0.2.1")},
		{cname("x.test.", 1<<31, "y.test."), a("y.test.", 0, "192.0.2.1")},
		{cname("x.test.", 60, "y.test."), cname("y.test.", 60, "x.test.")},
		{srv("x.test.", 1, 1, 1, ".")},
		nil,
	} {
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true}, Answers: records,
			Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("x.test."), Type: q.typ, Class: dnsmessage.ClassINET}}}
		msg, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg, uint16(7), false)
	}
	f.Fuzz(func(t *testing.T, msg []byte, id uint16, service bool) {
		q := q
		if service {
			q.typ = dnsmessage.TypeSRV
		}
		got, err := parse(msg, id, q)
		if err == nil && !got.truncated && got.alias == "" && got.records() == 0 {
			t.Error("no error and no answer")
		}
		if slices.ContainsFunc(got.srvs, func(s net.SRV) bool { return s.Target == "" }) || got.ttl < 0 {
			t.Error(got)
		}
		if got.alias != "" {
			query(id, question{got.alias, q.typ}, true)
		}
	})
}

func TestRetryAsksAgainAtOnce(t *testing.T) {
	s := newServer(t)
	s.set(func(s *server) { s.rcode = dnsmessage.RCodeServerFailure })
	r := resolver(t, s.addr)
	if got := addrs(t, r, "one.test"); got != "error" {
		t.Fatal(got)
	}
	s.set(func(s *server) {
		s.rcode = dnsmessage.RCodeSuccess
		s.answers["one.test. A"] = []dnsmessage.Resource{a("one.test.", 60, "192.0.2.1")}
	})
	if got := addrs(t, r, "one.test"); got != "error" {
		t.Fatalf("a failure is believed for a moment, got %s", got)
	}
	r.Retry()
	if got := addrs(t, r, "one.test"); got != "[192.0.2.1]" {
		t.Error(got)
	}
}

// A question that was asked while the cable was out is in its last, long pause when the network comes: by itself it would be asked no more.
func TestRetryAsksAnewWhatWaits(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.set(func(s *server) {
		s.silent = true
		s.answers["one.test. A"] = []dnsmessage.Resource{a("one.test.", 60, "192.0.2.1")}
	})
	r := resolver(t, s.addr)
	got := make(chan string)
	go func() { got <- addrs(t, r, "one.test") }()
	for udp, _ := s.counts(); udp < rounds; udp, _ = s.counts() {
		time.Sleep(time.Millisecond)
	}
	s.set(func(s *server) { s.silent = false })
	r.Retry()
	if got := <-got; got != "[192.0.2.1]" {
		t.Error(got)
	}
}

func TestAddressesAreToldFromNames(t *testing.T) {
	for host, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "[2001:db8::f]": "2001:db8::f", "::": "::", "2001:db8::": "2001:db8::", "::ffff:192.0.2.1": "192.0.2.1",
		"sip.example.com": "", "host1": "", "192.0.2.1.": "", "1.2.3": "", "": "", "[]": "", "[192.0.2.1]": "192.0.2.1", "abc": "",
	} {
		a, ok := literal(host)
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("%q is %v, %v", host, a, ok)
		}
	}
}
