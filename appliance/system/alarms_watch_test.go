package system

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/bans"
	"viaduct/appliance/clock"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
)

// problems lists the alarms as `show config problems` does.
func (s *System) problems() []check.Problem { return check.OfAlarms(s.Alarms()) }

const twoPorts = `context ip ROUTER
  interface LAN
    ipaddress LAN 192.168.1.1/24
  interface WAN
    ipaddress WAN 198.51.100.1/24
  interface NONE
    ipaddress NONE 203.0.113.1/24
port ethernet 0 0
  bind interface ROUTER LAN
  no shutdown
port ethernet 0 1
  vlan 7
    bind interface ROUTER WAN
    no shutdown
  no shutdown
context sip-gateway pbx
  interface A
    bind ipaddress ROUTER LAN LAN
context sip-gateway teams
  interface A
    bind ipaddress ROUTER WAN WAN
context sip-gateway both
  interface A
    bind ipaddress ROUTER LAN LAN
  interface B
    bind ipaddress ROUTER WAN WAN
context sip-gateway loose
  interface A
    bind ipaddress ROUTER NONE NONE
context cs SWITCH
  interface sip if_pbx
    bind context sip-gateway pbx
  interface sip if_teams
    bind context sip-gateway teams
`

func TestWhichPortAGatewayIsAt(t *testing.T) {
	s, _ := watched()
	s.o.Board = named(t, "sim")
	cfg, problems := lang.New().Parse([]byte(twoPorts))
	if len(cfg.Gateways) != 4 {
		t.Fatalf("%v", problems)
	}
	for gateway, want := range map[string]string{"pbx": "eth00", "teams": "eth01", "both": "", "loose": "", "gone": ""} {
		if got := s.portOf(cfg, gateway); got != want {
			t.Errorf("%s: %q, want %q", gateway, got, want)
		}
	}
}

// Whoever pulls the PBX's cable reads of the cable, and still of Teams.
func TestALostLinkHidesItsPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := watched()
		s.o.Board = named(t, "sim")
		cfg, _ := lang.New().Parse([]byte(twoPorts))
		s.running.Store(cfg)
		var peers []status.Peer
		for _, i := range cfg.CS[0].Interfaces {
			peers = append(peers, status.Peer{Interface: i.ID().String(), Peer: "192.0.2.1:5060", State: status.PeerDown, Answer: "timeout"})
		}
		s.watchPeers([]status.Registration{{Gateway: "pbx", Identity: "user.01", State: status.RegistrationFailed, Error: "no route"}}, peers)
		s.health.Replace(health.LinkDown, []health.Args{{"port": "eth00"}})
		time.Sleep(time.Minute)
		var list []string
		for _, a := range s.health.Current() {
			list = append(list, a.Text)
		}
		text := strings.Join(list, "\n")
		if len(list) != 2 || !strings.Contains(text, "port eth00 has no link") || !strings.Contains(text, "if_teams gets no calls: timeout") {
			t.Errorf("alarms\n%s", text)
		}
		s.health.Replace(health.LinkDown, nil)
		if n := len(s.health.Current()); n != 3 {
			t.Errorf("%d alarms with the link", n)
		}
	})
}

// Two location services may have an identity of one name, and two gateways one location service: each is an alarm.
func TestIdentitiesOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := watched()
		s.running.Store(config.New())
		var list []status.Registration
		for _, x := range [][3]string{{"lan", "user.01", "sip:user.01@pbx"}, {"lan", "user.01", "sip:user.01@branch"}, {"wan", "user.01", "sip:user.01@pbx"}, {"lan", "user.02", "sip:user.02@pbx"}} {
			list = append(list, status.Registration{Gateway: x[0], Identity: x[1], AOR: x[2], Registrar: "r", State: status.RegistrationFailed})
		}
		s.watchPeers(list, nil)
		time.Sleep(time.Minute)
		var subjects []string
		for _, a := range s.health.Current() {
			subjects = append(subjects, a.Subject)
		}
		slices.Sort(subjects)
		want := []string{"sip:user.01@branch", "sip:user.01@pbx of context sip-gateway lan", "sip:user.01@pbx of context sip-gateway wan", "user.02"}
		if !slices.Equal(subjects, want) {
			t.Errorf("%q\nwant\n%q", subjects, want)
		}
	})
}

// A clock that has just started is no alarm yet, and one for which TLS waits is an alarm of its own.
func TestAClockThatFollowsNoServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := watched()
		s.watchClock(status.Clock{Enabled: true})
		if list := s.health.Current(); len(list) > 0 {
			t.Errorf("at once: %+v", list)
		}
		time.Sleep(health.ClockUnsynchronised.Delay)
		s.watchClock(status.Clock{Enabled: true, Error: "timeout"})
		if list := s.health.Current(); len(list) != 1 || list[0].Text != "the clock is not synchronised: timeout" {
			t.Errorf("%+v", list)
		}
		s.gatewaysApplied(fmt.Errorf("gateway wan: %w", clock.ErrWaits))
		if list := s.health.Current(); len(list) != 1 || list[0].ID != health.TLSWaits.ID {
			t.Errorf("with TLS: %+v", list)
		}
		s.gatewaysApplied(nil)
		s.watchClock(status.Clock{Enabled: true, Synced: true})
		if list := s.health.Current(); len(list) > 0 {
			t.Errorf("when it is right: %+v", list)
		}
	})
}

func TestLicensesThatAreUsedUp(t *testing.T) {
	s, _ := watched()
	s.licenses = license.New()
	var leases []license.Lease
	for range 4 {
		l, err := s.licenses.Acquire(1, 0)
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, l)
	}
	s.licenses.Acquire(1, 0)
	s.watchPools()
	if list := s.health.Current(); len(list) != 1 || !strings.Contains(list[0].Text, "all 4 licenses sip-sessions are in use") || !strings.Contains(list[0].Text, "refused, 1 since") {
		t.Errorf("%+v", list)
	}
	leases[0].Release()
	s.watchPools()
	if list := s.health.Current(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

func TestABanIsAnAlarm(t *testing.T) {
	s, _ := watched()
	s.bans = bans.New(slog.New(slog.DiscardHandler))
	now := time.Now()
	for range bans.Tries {
		s.bans.Wrong(netip.MustParseAddr("192.0.2.1"), "anna", now)
	}
	s.bans.Wrong(netip.MustParseAddr("192.0.2.2"), "anna", now)
	s.watchBans(now)
	if list := s.health.Current(); len(list) != 1 || list[0].Subject != "192.0.2.1" || list[0].Severity != health.Info {
		t.Errorf("%+v", list)
	}
	s.watchBans(now.Add(time.Hour))
	if list := s.health.Current(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

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

func TestOverloadIsAnAlarmForAsLongAsItLasts(t *testing.T) {
	s, _ := watched()
	for state, want := range map[status.OverloadState]bool{status.Calm: false, status.Strained: false, status.Shedding: true} {
		s.watchOverload(status.Overload{State: status.Shedding, Rate: 900})
		if s.watchOverload(status.Overload{State: state}); s.health.Active(health.Overloaded) != want {
			t.Errorf("%v: alarm %v", state, !want)
		}
	}
}
