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

func TestAPBXCallMakesBusyInTeams(t *testing.T) {
	inBubble(t, 2, nil, func(r *rig) {
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(poll)
		if r.tenant.shows("id-0000") != config.InACall || r.tenant.shows("id-0001") != config.Available {
			r.t.Error("Teams does not know")
		}
		r.wantTold("set id-0000")
		if u := r.user(0); u.State != "available" || !u.Echo || u.Session != status.SessionSet || u.Line != status.LineBusy || u.Published {
			r.t.Errorf("%+v", u)
		}
		r.pass(5 * time.Minute)
		r.wantTold("set id-0000") // at half its life
		r.line("user.0000", false)
		r.wantTold("clear id-0000")
		r.pass(poll)
		if u := r.user(0); u.State != "available" || u.Echo || u.Session != status.SessionNone || !u.Until.IsZero() {
			r.t.Errorf("%+v", u)
		}
		r.pass(time.Hour)
		r.wantTold("")
	})
}

func TestABoxThatDiesStopsLying(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(poll)
		r.tenant.fail(errors.New("dead"))
		r.stop()
		r.pass(10 * time.Minute)
		if got := r.tenant.shows("id-0000"); got != config.Available {
			r.t.Errorf("he is %s", got)
		}
	})
}

func TestSessionsAreClearedAtTheEnd(t *testing.T) {
	inBubble(t, 200, nil, func(r *rig) {
		r.pass(poll)
		for _, u := range r.status().Users {
			r.line(u.Identity, true)
		}
		r.pass(time.Minute)
		if n := r.tenant.count("set"); n < 200 {
			r.t.Fatalf("%d are set", n)
		}
		r.tenant.be(func(d *tenant) { d.slow = 100 * time.Millisecond })
		began := time.Now()
		r.stop()
		if took := time.Since(began); took > shutdownTime || r.tenant.count("clear") != 200 {
			r.t.Errorf("%d were cleared in %s", r.tenant.count("clear"), took)
		}
	})
}

func TestTheEndHasABound(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(poll)
		r.tenant.be(func(d *tenant) { d.slow = time.Hour })
		began := time.Now()
		r.stop()
		if took := time.Since(began); took != shutdownTime {
			r.t.Errorf("the end took %s", took)
		}
	})
}

func TestCallsThatTheBoxCarriesAreNotReported(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		r.carried.Store("user.0000", true)
		r.line("user.0000", true)
		r.pass(time.Minute)
		r.wantTold("")
		if u := r.user(0); u.Line != status.LineCarried {
			r.t.Errorf("%+v", u)
		}
		r.carried.Delete("user.0000") // its end comes before the PBX tells it
		r.pass(time.Second)
		r.line("user.0000", false)
		r.pass(time.Minute)
		r.wantTold("")
		r.carried.Store("user.0000", true)
		r.line("user.0000", true)
		r.pass(time.Minute)
		r.carried.Delete("user.0000") // another call of the user goes on
		r.pass(2 * poll)
		r.wantTold("set id-0000")
		r.carried.Store("user.0000", true)
		r.pass(poll)
		r.wantTold("clear id-0000")
	})
}

// A PBX that reports what the box has published as a call of the extension would keep the user busy for ever.
func TestAnEchoOfThePBXIsNotReported(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		r.tenant.choose("id-0000", config.InACall)
		r.pass(poll)
		if !r.watch.busy("user.0000") {
			r.t.Fatal("it is not published")
		}
		r.line("user.0000", true)
		r.pass(time.Minute)
		r.wantTold("")
		if u := r.user(0); u.Line != status.LineEcho {
			r.t.Errorf("%+v", u)
		}
		r.tenant.choose("id-0000", config.Available)
		r.pass(poll)
		if r.watch.busy("user.0000") {
			r.t.Error("it is still published")
		}
		r.line("user.0000", false)
		r.pass(time.Minute)
		r.wantTold("")
		r.line("user.0000", true)
		r.pass(poll)
		r.wantTold("set id-0000")
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

func TestReportsThatFailAreAnAlarm(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		// Reading is permitted, telling is not.
		read := r.tenant
		r.stop()
		r.start(func(*config.PresenceService) (Directory, error) { return readOnly{read, lacking}, nil })
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(3 * time.Minute)
		if st := r.status(); st.Reports.State != status.SinkFailing || r.alarms() != "presence-reports" || st.State != status.PresenceWorking {
			r.t.Errorf("%+v, alarms %s", st, r.alarms())
		}
		if n := read.count("refused"); n > 8 {
			r.t.Errorf("%d attempts", n)
		}
		r.line("user.0000", false)
		r.pass(time.Minute)
		if u := r.user(0); u.Session != status.SessionNone {
			r.t.Errorf("%+v", u)
		}
	})
}

func preferring(p *config.PresenceService) { p.Preferred = true }

func TestAPreferredPresenceIsRestored(t *testing.T) {
	for _, x := range []struct {
		before      config.PresenceState
		during, end string
	}{
		{config.Available, "set id-0000, prefer busy id-0000", "unprefer id-0000, clear id-0000"},
		{config.Away, "set id-0000, prefer busy id-0000", "unprefer id-0000, clear id-0000"},
		{config.BeRightBack, "set id-0000, prefer busy id-0000", "prefer be-right-back id-0000, clear id-0000"},
		{config.OffWork, "set id-0000, prefer busy id-0000", "prefer off-work id-0000, clear id-0000"},
		{config.Busy, "set id-0000", "clear id-0000"}, // his wish counts for as much
		{config.DoNotDisturb, "", ""}, // for more; and the line may be the echo of what is published
	} {
		inBubble(t, 1, preferring, func(r *rig) {
			r.tenant.choose("id-0000", x.before)
			r.pass(2 * poll)
			r.line("user.0000", true)
			r.pass(2 * poll)
			r.wantTold(x.during)
			if u := r.user(0); u.State != string(x.before) || (u.Before != "") != strings.Contains(x.during, "prefer") {
				r.t.Errorf("%s: %+v", x.before, u)
			}
			r.line("user.0000", false)
			r.pass(2 * poll)
			r.wantTold(x.end)
			if u := r.user(0); u.Session != status.SessionNone || u.Before != "" || string(r.store.text) != "[]" && strings.Contains(x.during, "prefer") {
				r.t.Errorf("%s: %+v, kept: %s", x.before, u, r.store.text)
			}
		})
	}
}

func TestWhoChoosesDuringACallKeepsThat(t *testing.T) {
	inBubble(t, 1, preferring, func(r *rig) {
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(2 * poll)
		r.tenant.be(func(d *tenant) { d.people["id-0000"].preferred = config.DoNotDisturb })
		r.pass(poll)
		r.tenant.takeTold()
		r.pass(6 * time.Minute)
		r.wantTold("set id-0000") // and he stays what he has chosen
		r.wantRefuse("user.0000", 486)
		r.line("user.0000", false)
		r.pass(poll)
		r.wantTold("clear id-0000")
		if string(r.store.text) != "[]" {
			r.t.Errorf("kept: %s", r.store.text)
		}
	})
}

func TestAPreferredPresenceIsRestoredAfterARestart(t *testing.T) {
	inBubble(t, 2, preferring, func(r *rig) {
		r.tenant.choose("id-0000", config.BeRightBack)
		r.tenant.choose("id-0001", config.BeRightBack)
		r.pass(2 * poll)
		r.line("user.0000", true)
		r.line("user.0001", true)
		r.pass(2 * poll)
		r.tenant.fail(errors.New("dead")) // the box dies
		r.stop()
		r.tenant.fail(nil)
		r.tenant.be(func(d *tenant) { d.people["id-0001"].preferred = config.DoNotDisturb }) // he has chosen meanwhile
		r.tenant.takeTold()
		r.start(r.connect)
		r.pass(2 * poll)
		if got := r.tenant.takeTold(); got != "prefer be-right-back id-0000, clear id-0000, clear id-0001" && got != "prefer be-right-back id-0000, clear id-0001, clear id-0000" && got != "clear id-0001, prefer be-right-back id-0000, clear id-0000" {
			r.t.Errorf("told: %s", got)
		}
		r.pass(2 * poll)
		if string(r.store.text) != "[]" || r.user(0).State != "be-right-back" || r.user(1).State != "do-not-disturb" {
			r.t.Errorf("kept: %s, %+v", r.store.text, r.status().Users)
		}
	})
}

// What the run before has told Teams is still there for up to ten minutes.
func TestSessionsOfTheRunBeforeAreEnded(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(poll)
		r.tenant.fail(errors.New("dead"))
		r.stop()
		r.tenant.fail(nil)
		r.tenant.takeTold()
		r.start(r.connect)
		r.pass(3 * poll)
		r.wantTold("clear id-0000")
		if u := r.user(0); u.State != "available" {
			r.t.Errorf("%+v", u)
		}
	})
}

func TestAMemoryThatIsDamagedIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newTenant(1), preferring)
		r.stop()
		r.store.text = []byte("[{")
		r.start(r.connect)
		r.pass(poll)
		if st := r.status(); st.State != status.PresenceWorking {
			t.Errorf("%+v", st)
		}
		if lines := strings.Join(r.log.take(), "\n"); !strings.Contains(lines, "cannot be used") {
			t.Errorf("the log has %s", lines)
		}
	})
}

// Who could not be told and has hung up is no reason for an alarm all night.
func TestAReportThatCameTooLateIsNoAlarm(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		away := &graph.Error{Op: "setting presence", Kind: graph.Network, Text: "no answer in time"}
		r.stop()
		r.start(func(*config.PresenceService) (Directory, error) { return readOnly{r.tenant, away}, nil })
		r.pass(poll)
		r.line("user.0000", true)
		r.pass(2 * time.Minute)
		if st := r.status(); st.Reports.State != status.SinkFailing || r.alarms() != "presence-reports" {
			r.t.Errorf("%+v, alarms %s", st, r.alarms())
		}
		r.line("user.0000", false)
		r.pass(10 * time.Minute) // what Teams may have taken has faded
		if st := r.status(); st.Reports.State != status.SinkIdle || r.alarms() != "" {
			r.t.Errorf("%+v, alarms %s", st, r.alarms())
		}
	})
}

// With a hint such as PJSIP/21&Custom:teams21, what is published keeps the extension busy after its own call.
func hinted(r *rig) (phone func(busy bool), look func()) {
	talks, shown := false, false
	look = func() {
		if busy := talks || r.watch.busy("user.0000"); busy != shown {
			shown = busy
			r.line("user.0000", busy)
		}
	}
	return func(busy bool) { talks = busy; look() }, look
}

func TestAConferenceDuringACallKeepsNobodyBusy(t *testing.T) {
	for _, state := range []config.PresenceState{config.InAConference, config.InACall, config.DoNotDisturb} {
		inBubble(t, 1, nil, func(r *rig) {
			phone, look := hinted(r)
			r.pass(poll)
			phone(true)
			r.pass(poll)
			r.tenant.be(func(d *tenant) { d.people["id-0000"].above = state })
			r.pass(poll)
			look()
			phone(false) // the conference goes on
			r.pass(poll)
			look()
			r.tenant.be(func(d *tenant) { d.people["id-0000"].above = "" })
			for range 6 {
				r.pass(poll)
				look()
			}
			if u := r.user(0); u.State != "available" || u.Published || u.Line != status.LineFree || u.Session != status.SessionNone {
				r.t.Errorf("%s: for ever %+v", state, u)
			}
		})
	}
}

func TestARestartDuringACallKeepsNobodyBusy(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		phone, look := hinted(r)
		r.pass(poll)
		phone(true)
		r.pass(poll)
		r.tenant.fail(errors.New("dead"))
		r.stop()
		r.tenant.fail(nil)
		r.tenant.be(func(d *tenant) { d.slow = time.Second })
		r.start(r.connect)
		r.line("user.0000", true) // the PBX is sooner than Graph
		for range 3 {
			r.pass(poll)
			look()
		}
		phone(false)
		for range 6 {
			r.pass(poll)
			look()
		}
		if u := r.user(0); u.State != "available" || u.Published || u.Line != status.LineFree || u.Session != status.SessionNone {
			r.t.Errorf("for ever %+v", u)
		}
	})
}

func TestALostLineIsUnknown(t *testing.T) {
	inBubble(t, 1, nil, func(r *rig) {
		r.pass(poll)
		r.line("user.0000", true)
		r.engine.Line(Line{Identity: "user.0000", Origin: "publication"})
		r.pass(poll)
		r.engine.Line(Line{Identity: "user.0000", Origin: "subscription", Lost: true})
		r.pass(poll)
		if u := r.user(0); u.Line != status.LineFree || u.Session != status.SessionNone {
			r.t.Errorf("one knows that it is free: %+v", u)
		}
		r.engine.Line(Line{Identity: "user.0000", Origin: "publication", Lost: true})
		r.engine.Line(Line{Identity: "stranger", Origin: "publication", Lost: true})
		r.pass(poll)
		if u := r.user(0); u.Line != status.LineUnknown || len(r.engine.lines) != 0 {
			r.t.Errorf("%+v, and %d lines are kept", u, len(r.engine.lines))
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
