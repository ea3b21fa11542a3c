package presence

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/status"
)

const poll = 10 * time.Second

func inBubble(t *testing.T, users int, change func(*config.PresenceService), f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newTenant(users), change)
		f(r)
	})
}

func TestWhoDoesNotWantToBeDisturbedIsNotRung(t *testing.T) {
	inBubble(t, 3, nil, func(r *rig) {
		r.wantRefuse("user.0000", 0)
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.tenant.choose("id-0001", config.Busy) // of which nothing follows
		r.pass(poll)
		r.wantRefuse("user.0000", 486)
		r.wantRefuse("user.0001", 0)
		r.wantRefuse("user.0002", 0)
		r.wantRefuse("nobody", 0)
		if u := r.user(0); u.State != "do-not-disturb" || u.Refuse != 486 || !u.Published || u.Extension != "user.0000" {
			r.t.Errorf("%+v", u)
		}
		if !r.watch.busy("user.0000") || r.watch.busy("user.0001") {
			r.t.Error("the keys of other phones show something else")
		}
		r.tenant.choose("id-0000", config.Available)
		r.pass(poll)
		r.wantRefuse("user.0000", 0)
		if r.watch.busy("user.0000") {
			r.t.Error("he is still busy on the keys of other phones")
		}
		var lines []string
		for _, l := range r.log.take() {
			if strings.Contains(l, "INFO") {
				lines = append(lines, l)
			}
		}
		if len(lines) != 2 || !strings.Contains(lines[0], "state=do-not-disturb was=available") || !strings.Contains(lines[1], "state=available was=do-not-disturb") {
			r.t.Errorf("the log has %q", lines)
		}
	})
}

func TestEveryStateDoesWhatTheConfigurationSays(t *testing.T) {
	inBubble(t, 1, func(p *config.PresenceService) {
		for i, s := range config.PresenceStates {
			p.Map = append(p.Map, config.PresenceMap{State: s, Refuse: []int{486, 480, 603, 0}[i%4], Publish: i%2 == 0})
		}
	}, func(r *rig) {
		for i, s := range config.PresenceStates {
			r.tenant.choose("id-0000", s)
			r.pass(poll)
			r.wantRefuse("user.0000", []int{486, 480, 603, 0}[i%4])
			if r.watch.busy("user.0000") != (i%2 == 0) {
				r.t.Errorf("%s: published as %v", s, i%2 != 0)
			}
		}
	})
}

func TestAStateThatIsTooOldLetsCallsThrough(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.pass(poll)
		r.tenant.fail(&graph.Error{Op: "reading presences", Kind: graph.Network, Text: "no route"})
		r.pass(3*poll - time.Second)
		r.wantRefuse("user.0000", 486)
		r.pass(2 * time.Second)
		r.wantRefuse("user.0000", 0)
		if u := r.user(0); u.State != "" || u.Refuse != 0 || r.watch.busy("user.0000") {
			r.t.Errorf("%+v", u)
		}
		r.tenant.fail(nil)
		r.pass(time.Minute)
		r.wantRefuse("user.0000", 486)
	})
}

func TestGraphIsAwayForAnHour(t *testing.T) {
	for _, x := range []struct {
		err    *graph.Error
		state  status.PresenceState
		alarms string
	}{
		{&graph.Error{Op: "reading presences", Kind: graph.Network, Text: "no route", Cure: "Look at the cable."}, status.PresenceUnreachable, "presence-away"},
		{&graph.Error{Op: "reading presences", Kind: graph.Broken, Status: 503, Text: "out of order"}, status.PresenceFaulty, "presence-away"},
		{&graph.Error{Op: "signing in", Kind: graph.SignIn, Code: "AADSTS7000222", Text: "the secret has expired"}, status.PresenceRefused, "presence-refused"},
		{&graph.Error{Op: "reading presences", Kind: graph.Consent, Status: 403, Text: "no consent"}, status.PresenceRefused, "presence-refused"},
		{&graph.Error{Op: "reading presences", Kind: graph.Throttled, Status: 429, Text: "slowly"}, status.PresenceThrottled, "presence-throttled"},
	} {
		inBubble(t, 2, nil, func(r *rig) {
			r.pass(5 * poll)
			r.log.take()
			before := r.tenant.count("presences")
			r.tenant.fail(x.err)
			r.pass(time.Hour)
			if n := r.tenant.count("presences") - before; n < 50 || n > 70 {
				r.t.Errorf("%s: %d polls in an hour", x.state, n)
			}
			st := r.status()
			if st.State != x.state || !strings.Contains(st.Error, x.err.Text) || st.Cure != x.err.Cure || r.alarms() != x.alarms {
				r.t.Errorf("%+v, alarms %s", st, r.alarms())
			}
			r.tenant.fail(nil)
			r.pass(2 * time.Minute)
			if st := r.status(); st.State != status.PresenceWorking || st.Error != "" || r.alarms() != "" {
				r.t.Errorf("it does not recover: %+v, alarms %s", st, r.alarms())
			}
			var lines []string
			for _, l := range r.log.take() {
				if !strings.Contains(l, "level=DEBUG") {
					lines = append(lines, l)
				}
			}
			if len(lines) != 2 || !strings.Contains(lines[0], "alarm raised") || !strings.Contains(lines[1], "alarm cleared") {
				r.t.Errorf("the log has %q", lines)
			}
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	inBubble(t, 2, nil, func(r *rig) {
		r.pass(poll)
		r.tenant.be(func(d *tenant) {
			d.err, d.held = &graph.Error{Op: "reading presences", Kind: graph.Throttled, Status: 429, Text: "slowly"}, time.Now().Add(10*time.Minute)
		})
		r.pass(poll)
		before := r.tenant.count("presences")
		r.line("user.0000", true)
		r.pass(9 * time.Minute)
		if n := r.tenant.count("presences") - before; n != 0 {
			r.t.Errorf("%d polls while Graph wants to be left alone", n)
		}
		if st := r.status(); st.Held.IsZero() || r.tenant.count("set") != 0 {
			r.t.Errorf("%+v", st)
		}
		r.tenant.fail(nil)
		r.pass(2 * time.Minute)
		if st := r.status(); st.State != status.PresenceWorking || r.tenant.shows("id-0000") != config.InACall {
			r.t.Errorf("%+v", st)
		}
	})
}

func TestGraphIsSlow(t *testing.T) {
	inBubble(t, 2, nil, func(r *rig) {
		r.tenant.be(func(d *tenant) { d.slow = 30 * time.Second })
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.pass(10 * time.Minute)
		if r.tenant.most > 2+writesAtOnce {
			r.t.Errorf("%d requests at once", r.tenant.most)
		}
		if st := r.status(); st.State != status.PresenceUnreachable {
			r.t.Errorf("%+v", st)
		}
		r.wantRefuse("user.0000", 0)
		r.tenant.be(func(d *tenant) { d.slow = 8 * time.Second })
		r.pass(3 * time.Minute)
		r.wantRefuse("user.0000", 486)
	})
}

func TestWithoutCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newTenant(1), nil)
		r.stop()
		r.tenant.ready = errors.New("pki:certificate/GRAPH does not exist")
		r.start(r.connect)
		r.pass(time.Minute)
		if st := r.status(); st.State != status.PresenceUnready || r.alarms() != "presence-refused" || !strings.Contains(st.Error, "GRAPH") {
			t.Errorf("%+v, alarms %s", st, r.alarms())
		}
		r.tenant.be(func(d *tenant) { d.ready = nil })
		r.pass(time.Minute)
		if st := r.status(); st.State != status.PresenceWorking || r.alarms() != "" {
			t.Errorf("%+v, alarms %s", st, r.alarms())
		}
	})
}

func TestUsersAreReadAgain(t *testing.T) {
	inBubble(t, 2, nil, func(r *rig) {
		if n := r.tenant.count("users"); n != 1 {
			r.t.Fatalf("the directory was read %d times", n)
		}
		r.tenant.choose("id-0001", config.DoNotDisturb)
		r.pass(poll)
		r.tenant.be(func(d *tenant) {
			d.users = append(d.users[1:], graph.User{ID: "new", UPN: "user.0000@example.com", Mail: "user.0000@example.com", Enabled: true})
			d.people["new"] = &account{chosen: config.DoNotDisturb}
		})
		r.pass(30 * time.Minute)
		r.wantRefuse("user.0000", 0)
		r.pass(30 * time.Minute)
		r.wantRefuse("user.0000", 486)
		r.wantRefuse("user.0001", 486)
		if n := r.tenant.count("users"); n != 2 {
			r.t.Errorf("the directory was read %d times", n)
		}
	})
}

func TestAChangeOfTheConfigurationLosesNothingElse(t *testing.T) {
	inBubble(t, 3, nil, func(r *rig) {
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.tenant.choose("id-0001", config.DoNotDisturb)
		r.pass(poll)
		r.line("user.0002", true)
		r.pass(poll)
		r.wantTold("set id-0002")
		r.watch.take()
		since := r.user(0).Since
		r.change(func(p *config.PresenceService) {
			p.PollInterval, p.Map = 5*time.Second, []config.PresenceMap{{State: config.DoNotDisturb, Refuse: 603, Publish: true}}
		})
		r.wantRefuse("user.0000", 603)
		r.pass(time.Minute)
		if u := r.user(0); !u.Since.Equal(since) || r.watch.take() != "" {
			r.t.Errorf("%+v", u)
		}
		reads := r.tenant.count("users")
		r.change(func(p *config.PresenceService) {
			p.Exclude = []string{"user.0001@example.com", "user.0002@example.com"}
		})
		r.wantRefuse("user.0000", 603)
		r.wantRefuse("user.0001", 0)
		r.wantTold("clear id-0002")
		if got := r.watch.take(); got != "user.0001 gone, user.0002 gone" {
			r.t.Errorf("told: %s", got)
		}
		r.pass(poll)
		if n := r.tenant.count("users") - reads; n != 1 || len(r.status().Users) != 1 {
			r.t.Errorf("%d readings, %+v", n, r.status().Users)
		}
		dials := r.tenant.dials
		r.change(func(p *config.PresenceService) { p.Certificate = "pki:certificate/NEW" })
		r.pass(poll)
		r.wantRefuse("user.0000", 603)
		if r.tenant.dials != dials+1 {
			r.t.Error("the new certificate is not in use")
		}
		r.change(func(p *config.PresenceService) { p.Enabled = false })
		r.wantRefuse("user.0000", 0)
		if st := r.status(); st.State != status.PresenceShutdown || r.watch.take() != "user.0000 gone" {
			r.t.Errorf("%+v", st)
		}
		r.change(func(p *config.PresenceService) { p.Enabled = true })
		r.pass(poll)
		r.wantRefuse("user.0000", 603)
	})
}

func TestAnotherApplicationBeginsAnew(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(poll)
		r.wantTold("set id-0000")
		r.change(func(p *config.PresenceService) { p.Application = "other" })
		r.wantTold("clear id-0000") // a session of the one before
		r.pass(poll)
		r.wantTold("set id-0000")
	})
}

func TestAUserWithoutALicenceDisturbsNobody(t *testing.T) {
	inBubble(t, 2, nil, func(r *rig) {
		r.tenant.be(func(d *tenant) { d.people["id-0000"].stray = true })
		r.pass(poll)
		r.line("user.0000", true)
		r.line("user.0001", true)
		r.pass(time.Minute)
		r.wantTold("set id-0001")
		if u := r.user(0); u.Error == "" || r.status().Reports.State != status.SinkTelling || r.alarms() != "" {
			r.t.Errorf("%+v, alarms %s", u, r.alarms())
		}
		r.pass(time.Hour)
		if n := r.tenant.count("set"); n > 40 {
			r.t.Errorf("%d attempts", n)
		}
	})
}

func TestWhoTakesOverAnIdentityIsToldAfterItsOwner(t *testing.T) {
	inBubble(t, 2, func(p *config.PresenceService) {
		p.Scope = config.ScopeListed
		p.Users = []config.PresenceUser{{Name: "user.0000@example.com", Identity: "user.0000"}, {Name: "user.0001@example.com", Identity: "user.0001"}}
	}, func(r *rig) {
		r.tenant.choose("id-0000", config.DoNotDisturb)
		r.pass(poll)
		r.change(func(p *config.PresenceService) {
			p.Users = []config.PresenceUser{{Name: "user.0000@example.com", Identity: "user.0001"}}
		})
		r.pass(2 * poll)
		if !r.watch.busy("user.0001") || r.watch.busy("user.0000") {
			r.t.Errorf("the keys of other phones: %s", r.watch.take())
		}
		r.wantRefuse("user.0001", 486)
	})
}

func TestAnImportedCAIsTakenIntoUse(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		dials := r.tenant.dials
		r.tenant.fail(&untrusted{})
		r.pass(5 * time.Minute)
		r.tenant.be(func(d *tenant) { dials = d.dials - dials })
		if dials == 0 {
			r.t.Error("the way of before is kept, with the certificates of before")
		}
	})
}

// untrusted is what a proxy with a new CA makes of a request.
type untrusted struct{}

func (*untrusted) Error() string { return "not trusted" }
func (*untrusted) Unwrap() []error {
	return []error{&graph.Error{Op: "reading presences", Kind: graph.Network}, &tls.CertificateVerificationError{}}
}

func TestTheDirectoryIsReadSoonAfterTheLineIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newTenant(1)
		d.err = &graph.Error{Op: "reading users", Kind: graph.Network, Text: "no route"}
		r := newRig(t, d, nil)
		r.pass(time.Hour + 2*time.Minute)
		d.fail(nil)
		r.pass(pollPause)
		if st := r.status(); st.State != status.PresenceWorking || st.Matched != 1 {
			r.t.Errorf("%+v", st)
		}
	})
}

// Somebody who enters a service and looks at once sees it, before it is in use.
func TestAServiceThatIsJustEnteredIsStarting(t *testing.T) {
	cfg := config.New()
	cfg.Presence = []*config.PresenceService{{Name: "TEAMS", Enabled: true}, {Name: "OTHER"}}
	got := New(Options{}).Status(cfg).Services
	if len(got) != 2 || got[0].Name != "TEAMS" || got[0].State != status.PresenceStarting || got[1].State != status.PresenceShutdown {
		t.Errorf("%+v", got)
	}
}
