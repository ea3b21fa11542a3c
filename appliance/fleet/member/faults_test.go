package member

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/records"
	"viaduct/appliance/status"
)

// member is a box without a network.
func member(t *testing.T, p *pond) (*Member, *license.Manager) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	licenses := license.New()
	archive := records.New(records.Options{Dir: folder() + "/cdr", Log: log, Health: &health.Tracker{Log: log}, Sane: func() error { return nil }})
	return New(Options{Records: archive.Follow(folder() + "/position"), Log: log, Health: &health.Tracker{Log: log}, Dir: folder(), Serial: func() string { return serial }, Licenses: licenses,
		Sane: func() error { return nil }, Sealed: func(config.Secret) bool { return false }, Status: func() fleet.Status { return fleet.Status{} }}), licenses
}

func runs(t *testing.T, m *Member) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() { cancel(); running.Wait() }
}

// Whoever pastes `no fleet` and a new one has that of the last line, however long the box takes to leave the first one.
func TestAFleetThatComesWhileTheBoxLeaves(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second / 2} {
		in(t, func(t *testing.T) {
			p := newPond(t, 10, 8, time.Time{})
			d := begin(t, p, folder()).runs(t)
			for range 8 {
				d.call(t)
			}
			time.Sleep(time.Minute)
			d.stop()
			p.deaf = true // it takes a while to leave a hub that does not answer
			m, _ := member(t, p)
			m.leases.link = p
			cfg := &config.Config{Fleet: &config.Fleet{Enabled: true, Name: "berlin", Leases: true}, LicenseAuthorities: []*config.LicenseAuthority{p.issuer}}
			m.Apply(cfg)
			defer runs(t, m)()
			time.Sleep(time.Minute)
			m.Apply(&config.Config{})
			time.Sleep(after)
			m.Apply(cfg)
			time.Sleep(time.Minute)
			if len(m.leases.status()) == 0 || !m.leases.each[0].on || !m.leases.on {
				t.Errorf("after %s: it does not lease any more: %+v", after, m.leases.status())
			}
			m.Apply(&config.Config{Fleet: &config.Fleet{Enabled: true, Name: "berlin"}})
			synctest.Wait()
			if m.leases.each[0].on || m.leases.on {
				t.Error("it leases without the line")
			}
		})
	}
}

// A lease is over when its time is, whatever becomes of the lines in `fleet`: without a name the box asks nobody, and must look at the time all the same.
func TestALeaseEndsInAFleetWithoutAName(t *testing.T) {
	in(t, func(t *testing.T) {
		p := newPond(t, 10, 8, time.Time{})
		d := begin(t, p, folder()).runs(t)
		for range 8 {
			d.call(t)
		}
		time.Sleep(time.Minute)
		had := d.has()
		d.stop()
		time.Sleep(31*24*time.Hour - time.Hour)
		m, licenses := member(t, p)
		m.Apply(&config.Config{Fleet: &config.Fleet{Enabled: true, Leases: true}, LicenseAuthorities: []*config.LicenseAuthority{p.issuer}})
		defer runs(t, m)()
		synctest.Wait()
		if has := licenses.Table()[0].Leased; has != had || had == 0 {
			t.Errorf("an hour before its end: %d, and it had %d", has, had)
		}
		time.Sleep(2 * time.Hour)
		if has := licenses.Table()[0].Leased; has != 0 {
			t.Errorf("an hour after the end of its grace it has %d", has)
		}
	})
}

// A box that was revoked while it was off is told so before its clock is right. It has no grace.
func TestARefusalThatComesBeforeTheClock(t *testing.T) {
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
		time.Sleep(23 * time.Hour)
		var mu sync.Mutex
		wrong := errors.New("not yet")
		d.leases.o.Sane = func() error { mu.Lock(); defer mu.Unlock(); return wrong }
		d.m = license.New()
		d.leases.o.Licenses = d.m
		d.leases = newLeases(d.leases.o, p, func() {})
		d.apply(true, []*config.LicenseAuthority{p.issuer})
		d.runs(t)
		defer d.stop()
		d.refused("it does not know this key")
		time.Sleep(time.Second)
		mu.Lock()
		wrong = nil
		mu.Unlock()
		time.Sleep(time.Minute)
		if d.has() != had {
			t.Errorf("before its end it has %d, and had %d", d.has(), had)
		}
		time.Sleep(2 * time.Hour)
		if s := d.status()[0]; d.has() != 0 || s.State != status.PoolLeaseLapsed {
			t.Errorf("it has %d, %+v", d.has(), s)
		}
	})
}

// A hub that has just started is connected before its steward listens: calls wait for that, and not for the next try.
func TestCallsWaitForAHubThatHasJustStarted(t *testing.T) {
	in(t, func(t *testing.T) {
		p := newPond(t, 10, 8, time.Time{})
		d := begin(t, p, folder()).runs(t)
		defer d.stop()
		time.Sleep(time.Minute)
		for range 4 + d.has() {
			if _, _, err := d.call(t); err != nil {
				t.Fatal(err)
			}
		}
		p.mu.Lock()
		p.deaf = true
		p.mu.Unlock()
		time.AfterFunc(license.Patience*2/3, func() { p.mu.Lock(); p.deaf = false; p.mu.Unlock() })
		for {
			_, waited, err := d.call(t)
			if err != nil {
				t.Fatalf("refused after %v: %v", waited, err)
			}
			if waited > 0 {
				return
			}
		}
	})
}
