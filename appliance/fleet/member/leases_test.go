package member

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
)

const serial = "00A0BA0F2439"

// pond is a hub as far as leases go, and the link to it: the rules of package lease, and real signatures.
type pond struct {
	t      *testing.T
	key    ed25519.PrivateKey
	keys   []string
	issuer *config.LicenseAuthority

	mu      sync.Mutex
	total   int
	limit   lease.Box
	pool    lease.Pool
	away    bool
	deaf    bool // connected, and nobody answers
	changed chan struct{}
	heard   func(fleet.Message)
	asked   int
	forge   func(*license.Lease)
}

func newPond(t *testing.T, total, most int, expires time.Time) *pond {
	public, issuer, _ := ed25519.GenerateKey(nil)
	hub, key, _ := ed25519.GenerateKey(nil)
	pool, err := license.Sign(issuer, license.License{Kind: license.SIPSessions, Count: total, Serial: 7, System: license.HubID(hub), Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return &pond{t: t, key: key, keys: []string{pool}, issuer: &config.LicenseAuthority{Name: "lab", Key: license.FormatIssuer(public)}, total: total,
		limit: lease.Box{Serial: serial, Max: most}, changed: make(chan struct{})}
}

func (p *pond) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	time.Sleep(5 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	var r fleet.LeaseRequest
	if err := json.Unmarshal(body, &r); err != nil || subject != fleet.LeaseOf("berlin") {
		p.t.Errorf("%s: %s, %v", subject, body, err)
	}
	if p.away || p.deaf {
		return nil, fleet.ErrAway
	}
	p.asked++
	total := p.total
	if r.Kind != string(license.SIPSessions) {
		total = 0
	}
	next, a := p.pool.Grant("berlin", r, lease.Terms{Total: total, Boxes: map[string]lease.Box{"berlin": p.limit}}, time.Now())
	if r.Kind == string(license.SIPSessions) {
		p.pool = next
	}
	if a.Count > 0 {
		l := license.Lease{Kind: license.Kind(r.Kind), Count: a.Count, Serial: r.Serial, Issued: a.From, Until: a.Until, Sequence: a.Reply.Sequence}
		if p.forge != nil {
			p.forge(&l)
		}
		text, err := license.SignLease(p.key, l)
		if err != nil {
			p.t.Error(err)
		}
		a.Reply.Lease, a.Reply.Keys = text, p.keys
	}
	return json.Marshal(a.Reply)
}

func (p *pond) Keep(context.Context, string, string, []byte) error { return nil }
func (p *pond) Send(string, []byte) error                          { return nil }
func (p *pond) Reply(fleet.Message, []byte) error                  { return nil }
func (p *pond) Listen(_ string, f func(fleet.Message)) (func(), error) {
	p.heard = f
	return func() {}, nil
}

func (p *pond) Changed() (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.away, p.changed
}

func (p *pond) goes(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pond) lent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, taken := p.pool.Shares(time.Now())
	return taken
}

// desk is a box with its licenses.
type desk struct {
	*leases
	m      *license.Manager
	health *health.Tracker
	member *Member
	stop   func()
}

func begin(t *testing.T, p *pond, dir string) *desk {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	d := &desk{m: license.New(), health: &health.Tracker{Log: log}}
	o := Options{Log: log, Health: d.health, Dir: dir, Serial: func() string { return serial }, Licenses: d.m, Sane: func() error { return nil }}
	d.leases = newLeases(o, p, func() {})
	d.member = &Member{o: o, leases: d.leases}
	d.apply(true, []*config.LicenseAuthority{p.issuer})
	return d
}

func (d *desk) runs(t *testing.T) *desk {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.run(ctx, "berlin"); err != nil {
			t.Error(err)
		}
	}()
	d.stop = sync.OnceFunc(func() { cancel(); <-done })
	synctest.Wait()
	return d
}

// call takes one session as a call does, which waits for it if it must.
func (d *desk) call(t *testing.T) (license.Share, time.Duration, error) {
	began := time.Now()
	s, err := d.m.Acquire(1, 0)
	if err == nil {
		return s, 0, nil
	}
	got := make(chan error, 1)
	if _, waits := d.m.Await(1, 0, func(share license.Share, why error) { s = share; got <- why }); !waits {
		return nil, 0, err
	}
	err = <-got
	return s, time.Since(began), err
}

func (d *desk) has() int { return d.m.Table()[0].Leased }

func (d *desk) alarms() (list []string) {
	d.member.judgeLeases(true)
	for _, a := range d.health.Current() {
		list = append(list, a.ID+": "+a.Text)
	}
	return list
}

// in runs a test in virtual time that begins late enough for a clock to be right.
func in(t *testing.T, f func(t *testing.T)) {
	dir := t.TempDir()
	t.Setenv("LEASES", dir)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)))
		f(t)
	})
}

func folder() string { return os.Getenv("LEASES") }

func TestCallsFindLicensesOfTheHub(t *testing.T) {
	in(t, func(t *testing.T) {
		p := newPond(t, 10, 8, time.Time{})
		d := begin(t, p, folder()).runs(t)
		defer d.stop()
		var calls []license.Share
		for n := range 12 { // four of its own, eight that the hub lets it have
			s, waited, err := d.call(t)
			if err != nil || waited >= license.Patience {
				t.Fatalf("call %d: %v after %v, leased %d", n, err, waited, d.has())
			}
			calls = append(calls, s)
		}
		if d.has() != 8 || p.lent() != 8 {
			t.Errorf("box %d, hub %d", d.has(), p.lent())
		}
		_, waited, err := d.call(t)
		if err == nil || waited >= license.Patience {
			t.Errorf("the thirteenth call: %v after %v, and it need not wait for a hub that has said no", err, waited)
		}
		d.alarms()
		time.Sleep(time.Minute) // the alarm waits for a moment
		if said := strings.Join(d.alarms(), "\n"); !strings.Contains(said, "lease-refused: the hub does not give the sip-sessions that calls need: it lets this box have 8 at most") {
			t.Errorf("alarms: %s", said)
		}
		for _, s := range calls {
			s.Release()
		}
		time.Sleep(time.Hour)
		if d.has() > 2 || p.lent() > 2 {
			t.Errorf("an hour later the box has %d, the hub counts %d", d.has(), p.lent())
		}
		if said := d.alarms(); len(said) > 0 {
			t.Errorf("alarms: %s", said)
		}
		p.mu.Lock()
		before := p.asked
		p.mu.Unlock()
		for range 100 {
			p.heard(fleet.Message{})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		if p.asked == before || p.asked > before+6 {
			t.Errorf("the box asked %d times because of 100 news in ten seconds", p.asked-before)
		}
		d.apply(false, []*config.LicenseAuthority{p.issuer})
		if d.has() != 0 {
			t.Errorf("switched off it has %d", d.has())
		}
		time.Sleep(time.Minute)
		if p.lent() != 0 {
			t.Errorf("the hub still counts %d", p.lent())
		}
	})
}

func TestLeasesOutliveARestartAndAHubThatIsAway(t *testing.T) {
	in(t, func(t *testing.T) {
		p := newPond(t, 10, 8, time.Time{})
		d := begin(t, p, folder()).runs(t)
		for range 8 {
			if _, _, err := d.call(t); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		had := d.has()
		d.stop()
		p.goes(true)
		d = begin(t, p, folder())
		if d.has() != had || had < 4 {
			t.Errorf("after a restart the box has %d, before %d", d.has(), had)
		}
		d.runs(t)
		if _, waited, err := d.call(t); err != nil || waited > 0 {
			t.Errorf("a call: %v after %v", err, waited)
		}
		text := func() string { return strings.Join(d.alarms(), "\n") }
		for _, x := range []struct {
			after time.Duration
			want  string
			has   bool
		}{
			{12 * time.Hour, "", true},
			{24 * time.Hour, "lease-grace: the lease of 7 sip-sessions has ended, and the hub is away: they hold on, and end in 30 days or less", true},
			{8 * 24 * time.Hour, "end in 23 days or less", true},
			{16 * 24 * time.Hour, "lease-ends: the lease of 7 sip-sessions has ended, and the hub is away: they end in 6 days or less, at 2027-01-01 11:59 UTC", true},
			{5 * 24 * time.Hour, "they end in 1 day or less", true},
			{24 * time.Hour, "lease-lapsed: the lease of sip-sessions is over", false},
		} {
			d.stop()
			time.Sleep(x.after)
			d = begin(t, p, folder()).runs(t)
			if said := text(); !strings.Contains(said, x.want) || (x.want == "") != (said == "") || (d.has() == had) != x.has {
				t.Errorf("%v: %s; it has %d", time.Now(), said, d.has())
			}
		}
		for range 4 {
			d.call(t)
		}
		p.goes(false)
		time.Sleep(time.Minute)
		d.stop()
		if said := text(); said != "" || d.has() == 0 {
			t.Errorf("the hub is back: %s, it has %d", said, d.has())
		}
	})
}

func TestWhatIsKeptIsBelievedAsFarAsItIsSigned(t *testing.T) {
	in(t, func(t *testing.T) {
		p := newPond(t, 10, 8, time.Time{})
		d := begin(t, p, folder()).runs(t)
		for range 8 {
			d.call(t)
		}
		time.Sleep(time.Minute)
		had := d.has()
		d.stop()
		p.goes(true)
		file := folder() + "/lease-sip-sessions"
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		edit := func(change func(holder map[string]any, all map[string]any)) string {
			var all, holder map[string]any
			json.Unmarshal(text, &all)
			raw, _ := json.Marshal(all["holder"])
			json.Unmarshal(raw, &holder)
			all["holder"] = holder
			change(holder, all)
			out, _ := json.Marshal(all)
			return string(out)
		}
		other := newPond(t, 10, 8, time.Time{})
		for what, x := range map[string]struct {
			text    string
			trusted *config.LicenseAuthority
			want    int
		}{
			"as it is":             {string(text), p.issuer, had},
			"more":                 {edit(func(h, _ map[string]any) { h["count"], h["max"] = 500, 500 }), p.issuer, 0},
			"longer":               {edit(func(h, _ map[string]any) { h["clock"] = time.Now().Add(-time.Minute); h["left"] = 86400 }), p.issuer, had},
			"nothing signed":       {edit(func(_, all map[string]any) { delete(all, "lease") }), p.issuer, 0},
			"no license key":       {edit(func(_, all map[string]any) { delete(all, "keys") }), p.issuer, 0},
			"an issuer of nobody":  {string(text), other.issuer, 0},
			"torn":                 {string(text[:len(text)/2]), p.issuer, 0},
			"empty":                {"", p.issuer, 0},
			"a lease of long ago":  {edit(func(h, _ map[string]any) { h["clock"] = time.Now().Add(20 * time.Hour); h["left"] = 86400 }), p.issuer, had}, // it was saved in the future: grace
			"a week in the future": {edit(func(h, _ map[string]any) { h["left"] = 8 * 86400 }), p.issuer, 0},
		} {
			if err := os.WriteFile(file, []byte(x.text), 0o600); err != nil {
				t.Fatal(err)
			}
			d := begin(t, p, folder())
			d.apply(true, []*config.LicenseAuthority{x.trusted})
			if x.trusted != p.issuer { // the first look was with another one
				d.runs(t)
				synctest.Wait()
				d.stop()
			}
			if d.has() != x.want {
				t.Errorf("%s: it has %d, want %d", what, d.has(), x.want)
			}
		}
	})
}

func TestALeaseIsWorthWhatTheKeysOfItsPoolAre(t *testing.T) {
	in(t, func(t *testing.T) {
		p := newPond(t, 10, 8, time.Now().AddDate(0, 0, 3))
		d := begin(t, p, folder()).runs(t)
		defer d.stop()
		for range 8 {
			d.call(t)
		}
		if d.has() < 4 {
			t.Fatalf("it has %d", d.has())
		}
		time.Sleep(5 * 24 * time.Hour)
		if d.has() != 0 {
			t.Errorf("it has %d by a license key that has expired", d.has())
		}
		if list := d.status(); len(list) == 0 || !strings.Contains(list[0].Why, "expired on") {
			t.Errorf("%+v", list)
		}
	})
}

func TestALeaseThatIsNotForTheBox(t *testing.T) {
	for what, forge := range map[string]func(*license.Lease){
		"for another": func(l *license.Lease) { l.Serial = "00A0BA0F2430" }, "of another kind": func(l *license.Lease) { l.Kind = license.SRTPChannels },
		"more than the pool": func(l *license.Lease) { l.Count = 11 }, "more than asked for": func(l *license.Lease) { l.Count = 10 },
	} {
		in(t, func(t *testing.T) {
			p := newPond(t, 10, 8, time.Time{})
			p.forge = forge
			d := begin(t, p, folder()).runs(t)
			defer d.stop()
			for range 5 {
				d.call(t)
			}
			time.Sleep(time.Minute)
			if d.has() != 0 || d.status()[0].Why == "" {
				t.Errorf("%s: it has %d, %+v", what, d.has(), d.status())
			}
		})
	}
}

func TestLeavingTheFleetGivesBack(t *testing.T) {
	for _, away := range []bool{false, true} {
		in(t, func(t *testing.T) {
			p := newPond(t, 10, 8, time.Time{})
			d := begin(t, p, folder()).runs(t)
			for range 6 {
				d.call(t)
			}
			time.Sleep(time.Minute)
			if away {
				p.goes(true)
			}
			began := time.Now()
			d.leave(t.Context())
			took := time.Since(began)
			d.stop()
			d.forget()
			if d.has() != 0 || (p.lent() == 0) == away || took > giveBackTime || !away && took == giveBackTime {
				t.Errorf("away %v: the box has %d, the hub counts %d, after %v", away, d.has(), p.lent(), took)
			}
			if list, _ := os.ReadDir(folder()); len(list) > 0 {
				t.Errorf("it leaves %v", list)
			}
		})
	}
}

// A box whose clock was never set cannot judge a lease.
func TestLeasesWaitForTheClock(t *testing.T) {
	in(t, func(t *testing.T) {
		p := newPond(t, 10, 8, time.Time{})
		var mu sync.Mutex
		wrong := errors.New("not yet")
		log := slog.New(slog.NewTextHandler(io.Discard, nil))
		d := &desk{m: license.New()}
		d.leases = newLeases(Options{Log: log, Dir: folder(), Serial: func() string { return serial }, Licenses: d.m, Sane: func() error { mu.Lock(); defer mu.Unlock(); return wrong }}, p, func() {})
		d.apply(true, []*config.LicenseAuthority{p.issuer})
		d.runs(t)
		defer d.stop()
		time.Sleep(time.Minute)
		if p.asked > 0 || len(d.status()) > 0 {
			t.Errorf("asked %d times, %v", p.asked, d.status())
		}
		for range 4 {
			d.call(t)
		}
		mu.Lock()
		wrong = nil
		mu.Unlock()
		time.Sleep(10 * time.Second)
		if d.has() == 0 || d.status()[0].State != status.PoolLeaseHeld {
			t.Errorf("it has %d", d.has())
		}
	})
}
