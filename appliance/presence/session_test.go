package presence

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/graph"
	"viaduct/appliance/status"
)

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
