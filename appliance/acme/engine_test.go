package acme

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// keys are the keys of all orders of the tests, one after the other: making them takes most of the time.
var keys = sync.OnceValue(func() (list [6][]byte) {
	for n := range list {
		var err error
		if _, list[n], err = newKey(); err != nil {
			panic(err)
		}
	}
	return list
})

// box is a box with one profile acme and nothing else.
type box struct {
	t     *testing.T
	ca    *authority
	dir   string
	store Store
	cfg   *config.Config
	e     *Engine
	alarm *health.Tracker
	end   func()

	mu    sync.Mutex
	log   bytes.Buffer
	txt   map[string][]string
	clock error
	peers func() []status.Peer
	used  int
	made  int // keys
}

func newBox(t *testing.T, ca *authority) *box {
	t.Helper()
	p := &config.ACMEProfile{Name: "sbc"}
	p.SetDefaults()
	p.Directory, p.Names = fmt.Sprintf("https://authority.test/directory?%p", ca), []string{"sbc.example.com"} // the library remembers directories by URL
	b := &box{t: t, ca: ca, dir: t.TempDir(), cfg: &config.Config{ACME: []*config.ACMEProfile{p}}, txt: map[string][]string{}, peers: func() []status.Peer { return nil }}
	ca.txt = func(name string) []string { b.sync(); return b.txt[name] }
	b.open()
	return b
}

func (b *box) open() {
	b.t.Helper()
	s, err := store.Open(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	b.store = s
}

func (b *box) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(text)
}

// sync makes what the test has changed before visible to the engine: a sleep alone is no order for the race detector.
func (b *box) sync() {
	b.mu.Lock()
	defer b.mu.Unlock()
}

func (b *box) start() {
	log := slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.alarm = &health.Tracker{Log: log}
	b.e = New(Options{
		Log: log, Health: b.alarm, Store: b.store, Config: func() *config.Config { b.sync(); return b.cfg }, Clock: func() error { b.sync(); return b.clock },
		HTTP: func(*config.ACMEProfile) (*http.Client, error) { return &http.Client{Transport: b.ca}, nil }, Roots: b.ca.roots,
		TXT: func(_ context.Context, name string) ([]string, error) {
			b.sync()
			if list := b.txt[name]; list != nil {
				return list, nil
			}
			return nil, errors.New("no such name")
		},
		Use:   func(context.Context) (time.Time, error) { b.used++; return time.Now(), nil },
		Peers: func(config.PKIName) []status.Peer { b.sync(); return b.peers() },
	})
	b.e.key = func() (crypto.Signer, []byte, error) {
		list := keys()
		text := list[b.made%len(list)]
		b.made++
		key, err := pki.ParsePrivateKey(text, "")
		return key, text, err
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.e.Run(ctx) }()
	b.end = func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
	synctest.Wait()
}

// record sets the TXT record that show acme prints.
func (b *box) record() {
	b.t.Helper()
	synctest.Wait()
	st := b.e.Status()[0]
	if len(st.Records) != 1 {
		b.t.Fatalf("%+v\n%s", st, b.log.String())
	}
	name, value, _ := strings.Cut(st.Records[0], ". IN TXT ")
	b.txt[name] = []string{strings.Trim(value, `"`)}
}

// pass lets time pass.
func (b *box) pass(d time.Duration) {
	b.sync()
	time.Sleep(d)
	synctest.Wait()
}

// fingerprint is that of the certificate in use, which is always one with its own key.
func (b *box) fingerprint() string {
	b.t.Helper()
	chain, err := b.store.Certificates("sbc")
	if err != nil {
		return ""
	}
	key, err := b.store.PrivateKey("sbc")
	if err != nil {
		b.t.Fatal(err)
	}
	if err := pki.Belongs(chain[0], key); err != nil {
		b.t.Fatal(err)
	}
	return pki.Fingerprint(chain[0])
}

func (b *box) state() status.ACMEState { return b.e.Status()[0].State }

// raised are the alarms, by id.
func (b *box) raised() (list []string) {
	for _, a := range b.alarm.Current() {
		list = append(list, a.ID)
		if a.Advice == "" || a.ID != "acme-record-missing" && len(a.Cure) == 0 {
			b.t.Errorf("no cure: %+v", a)
		}
	}
	slices.Sort(list)
	return list
}

func (b *box) want(what string, got, want any) {
	b.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s: %v, want %v\n%s", what, got, want, b.log.String())
	}
}

// obtain has a box with a certificate.
func obtain(t *testing.T) *box {
	t.Helper()
	b := newBox(t, newAuthority(t))
	b.start()
	b.record()
	b.pass(2 * time.Minute)
	if b.fingerprint() == "" {
		t.Fatal(b.log.String())
	}
	return b
}

const day = 24 * time.Hour

// TestACertificateRenewsItselfForAYear begins with nothing: the record is missing, the alarm says which, and it is set.
func TestACertificateRenewsItselfForAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, newAuthority(t))
		b.clock = errors.New("no time server has answered")
		b.start()
		b.want("state", b.state(), status.ACMEClock)
		b.clock = nil
		b.pass(time.Minute)
		b.want("state", b.state(), status.ACMERecord)
		b.want("alarms", b.raised(), []string{"acme-record-missing"})
		orders, _ := b.ca.counts()
		b.want("orders before the record is there", orders, 0)
		b.record()
		b.pass(2 * time.Minute)
		b.want("state", b.state(), status.ACMEIdle)
		b.want("alarms", b.raised(), []string{})
		chain, _ := b.store.Certificates("sbc")
		b.want("length of the chain", len(chain), 3)
		seen := map[string]bool{}
		for range 365 {
			b.pass(day)
			chain, _ := b.store.Certificates("sbc")
			if left := time.Until(chain[0].NotAfter); left < 25*day {
				t.Fatalf("only %v left\n%s", left, b.log.String())
			}
			seen[b.fingerprint()] = true
		}
		if orders, _ = b.ca.counts(); orders < 6 || orders > 8 || len(seen) != orders {
			t.Errorf("%d orders, %d certificates", orders, len(seen))
		}
		b.want("accounts", b.ca.accounts, 1)
		b.end()
		for _, secret := range []string{"PRIVATE KEY", "MII"} {
			if strings.Contains(b.log.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	})
}

// TestTheAuthorityIsDownForAMonth has it away from just before the renewal to just before the end.
func TestTheAuthorityIsDownForAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := obtain(t)
		before := b.fingerprint()
		b.pass(58 * day)
		orders, _ := b.ca.counts()
		b.ca.set(func() { b.ca.down = true })
		_, was := b.ca.counts()
		b.pass(30 * day)
		_, now := b.ca.counts()
		b.want("certificate", b.fingerprint(), before)
		b.want("alarms", b.raised(), []string{"acme-failed"})
		// Two questions for advice a day, one attempt a day, each tried three times by the library at each of its levels.
		if now-was > 30*(2*9+3*3) {
			t.Errorf("%d requests in a month", now-was)
		}
		if n := b.e.Status()[0].Failures; n < 20 || n > 32 {
			t.Errorf("%d attempts in a month", n)
		}
		b.ca.set(func() { b.ca.down = false })
		b.pass(day + time.Hour)
		if b.fingerprint() == before {
			t.Error("not renewed")
		}
		b.want("alarms", b.raised(), []string{})
		after, _ := b.ca.counts()
		b.want("orders", after-orders, 1)
		b.end()
	})
}

// TestEveryFailureIsAnAlarmAndLeavesTheCertificate has a renewal fail in each way.
func TestEveryFailureIsAnAlarmAndLeavesTheCertificate(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(*authority, *box)
		want  string        // in the alarm
		next  time.Duration // to the next attempt
	}{
		"an order that ends invalid":        {func(a *authority, _ *box) { a.invalid = true }, "CAA record", time.Hour},
		"a certificate for another name":    {func(a *authority, _ *box) { a.names = []string{"sbc.example.org"} }, "for sbc.example.org, not for sbc.example.com", time.Hour},
		"a chain with a gap":                {func(a *authority, _ *box) { a.noChain = true }, "was not sent", time.Hour},
		"a chain of nobody":                 {func(a *authority, _ *box) { a.root = a.sign(nil, "Another", nil) }, "not trusted here", time.Hour},
		"a certificate of the day to come":  {func(a *authority, _ *box) { a.begins = 2 * day }, "not good before", time.Hour},
		"a limit":                           {func(a *authority, _ *box) { a.limited = fmt.Sprint(3 * 24 * 3600) }, "too many certificates", 3 * day},
		"a limit without a time":            {func(a *authority, _ *box) { a.limited = "soon" }, "too many certificates", time.Hour},
		"a limit that never ends":           {func(a *authority, _ *box) { a.limited = "99999999999" }, "too many certificates", 7 * day},
		"a challenge that is not there":     {func(a *authority, _ *box) { a.offered = []string{"http-01"} }, "does not offer dns-persist-01, only http-01", time.Hour},
		"a record that the authority lacks": {func(a *authority, _ *box) { a.txt = func(string) []string { return nil } }, "no TXT record of this account", time.Hour},
		"nobody":                            {func(a *authority, _ *box) { a.down = true }, "connection refused", time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := obtain(t)
				before := b.fingerprint()
				b.ca.set(func() { c.fault(b.ca, b) })
				if _, ok := b.e.Renew("sbc"); !ok {
					t.Fatal("the authority is to be left alone before it said so")
				}
				b.pass(2 * time.Minute)
				b.want("certificate", b.fingerprint(), before)
				b.want("alarms", b.raised(), []string{"acme-failed"})
				a := b.alarm.Current()
				if len(a) != 1 || !strings.Contains(a[0].Text, c.want) || strings.Contains(a[0].Text, "\x1b") {
					t.Errorf("%+v, want %q", a, c.want)
				}
				st := b.e.Status()[0]
				if wait := time.Until(st.Next).Round(10 * time.Minute); wait != c.next || st.Failures != 1 || st.State != status.ACMEFailed {
					t.Errorf("next attempt in %v, want %v: %+v", wait, c.next, st)
				}
				orders, _ := b.ca.counts()
				b.pass(c.next / 2)
				now, _ := b.ca.counts()
				b.want("orders before the time", now, orders)
				b.end()
			})
		})
	}
}
