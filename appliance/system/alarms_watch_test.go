package system

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/clock"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

// problems lists the alarms as `show config problems` does.
func (s *System) problems() []check.Problem { return check.OfAlarms(s.Alarms()) }

// What the list of problems says has no notes about bans in it, and has the lines to paste.
func TestAlarmsAsProblems(t *testing.T) {
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	s.health.Set(health.SourceBanned, health.Args{"source": "192.0.2.1"})
	s.health.Set(health.StartupUnusable, health.Args{"used": "startup-config.1", "why": "startup-config (it is empty)"})
	s.gatewaysApplied(errors.New("gateway LAN: its address is not there"))
	list := s.problems()
	if len(list) != 2 || list[0].Fix != "copy running-config startup-config" || !strings.HasSuffix(list[0].Text, "(it is empty). Check that it is complete, and save it.") {
		t.Errorf("%+v", list)
	}
}

// A clock that has just started is no alarm yet, and one for which TLS waits is an alarm of its own.
func TestAClockThatFollowsNoServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := watched()
		s.eye.Clock(status.Clock{Enabled: true})
		if list := s.health.Current(); len(list) > 0 {
			t.Errorf("at once: %+v", list)
		}
		time.Sleep(health.ClockUnsynchronised.Delay)
		s.eye.Clock(status.Clock{Enabled: true, Error: "timeout"})
		if list := s.health.Current(); len(list) != 1 || list[0].Text != "the clock is not synchronised: timeout" {
			t.Errorf("%+v", list)
		}
		s.gatewaysApplied(fmt.Errorf("gateway wan: %w", clock.ErrWaits))
		if list := s.health.Current(); len(list) != 1 || list[0].ID != health.TLSWaits.ID {
			t.Errorf("with TLS: %+v", list)
		}
		s.gatewaysApplied(nil)
		s.eye.Clock(status.Clock{Enabled: true, Synced: true})
		if list := s.health.Current(); len(list) > 0 {
			t.Errorf("when it is right: %+v", list)
		}
	})
}

// A configuration is saved when the next start takes the same one, whatever the file looks like.
func TestWhetherTheConfigurationIsSaved(t *testing.T) {
	dir := t.TempDir()
	s := boxOf(t, named(t, "sim"), dir, "")
	secrets, err := store.OpenSecrets(dir, check.SealedPrefix)
	if err != nil {
		t.Fatal(err)
	}
	s.o.Language = lang.NewSealing(secrets)
	if !s.saved(s.Running()) {
		t.Error("a new box")
	}
	changed, problems := lang.New().Parse([]byte("system hostname changed\npassword-encryption\nauthentication-service a\n  username u password secret\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if s.saved(changed) {
		t.Error("changed, and not saved")
	}
	if err := s.WriteFile("startup-config", append([]byte("# a comment\n"), s.o.Language.Print(changed, false)...)); err != nil {
		t.Fatal(err)
	}
	if !s.saved(changed) || s.saved(config.New()) {
		t.Error("saved")
	}
}

// The name servers are asked for peers that have a name, each once.
func TestWhichNamesAreAskedFor(t *testing.T) {
	cfg, _ := lang.New().Parse([]byte(`context cs SWITCH
  interface sip a
    remote 192.0.2.1
  interface sip b
    remote pbx.example
  interface sip c
    remote pbx.example 5070
  interface sip d
    remote sip.pstnhub.microsoft.com 5061
  interface sip e
`))
	if got := peersByName(cfg); !slices.Equal(got, []string{"pbx.example", "sip.pstnhub.microsoft.com"}) {
		t.Errorf("%q", got)
	}
}

// The watch feeds the trend: what a box does now is in it after one look.
func TestTheWatchFeedsTheTrend(t *testing.T) {
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	if d := s.Trend(); len(d.Points) != 0 {
		t.Fatalf("%+v", d)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop() // the watch looks once before it waits
	if err := s.watch(ctx); err != nil {
		t.Fatal(err)
	}
	if d := s.Trend(); len(d.Points) != 1 || d.Points[0].Memory == 0 || d.Points[0].RAMFree == 0 || d.Points[0].At.After(time.Now().Add(time.Second)) {
		t.Errorf("%+v", d)
	}
}
