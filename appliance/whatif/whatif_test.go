package whatif_test

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/status"
	"viaduct/appliance/whatif"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// configured is the configuration that integrators paste, with further lines.
func configured(t *testing.T, lines string) *config.Config {
	t.Helper()
	text, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := lang.New().Parse([]byte(string(text) + "\n" + lines))
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatalf("%s: %s", p.Text, p.Fix)
		}
	}
	return cfg
}

// calls are those of a morning.
func calls() []status.Record {
	fromPBX := func(id, called string) status.Record {
		return status.Record{Version: status.RecordVersion, ID: id, Started: noon.Add(-time.Hour), From: "if_sip_starface", Calling: "222", Called: called,
			Asked: status.Properties{CalledURI: "sip:" + called + "@192.168.1.1", CallingURI: "sip:222@192.168.1.100"}}
	}
	fromTeams := func(id, calling, called string) status.Record {
		return status.Record{Version: status.RecordVersion, ID: id, Started: noon.Add(-time.Hour), From: "if_sip_microsoft-directrouting-primary", Calling: calling, Called: called,
			Asked: status.Properties{CallingURI: "sip:" + calling + "@sip.pstnhub.microsoft.com", CalledURI: "sip:" + called + "@sbc.meinefirma.de"}}
	}
	urgent := fromTeams("5", "+497123222", "112")
	urgent.Emergency = true
	old := fromPBX("6", "user.01")
	old.Version = 1
	early := fromPBX("7", "user.01")
	early.Started = noon.AddDate(0, 0, -3)
	return []status.Record{fromPBX("1", "user.01"), fromPBX("2", "user.02"), fromTeams("3", "+497123222", "+4989123456"), fromTeams("4", "+497123223", "+4989123456"), urgent, old, early}
}

func replay(t *testing.T, then *config.Config) status.WhatIf {
	t.Helper()
	known := func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.168.1.100")} }
	return whatif.Replay(t.Context(), calls(), noon.AddDate(0, 0, -1), configured(t, ""), then, known)
}

func TestNothingChanges(t *testing.T) {
	r := replay(t, configured(t, ""))
	if r.Calls != 5 || r.Same != 5 || r.TooOld != 1 || r.NotAsked != 0 || len(r.Groups) != 0 {
		t.Errorf("%+v", r)
	}
}

// Each change of the tables shows as what it is, with how many calls it concerns and one of them.
func TestChanges(t *testing.T) {
	const cs = "context cs SWITCH\n"
	for name, c := range map[string]struct {
		lines     string
		change    status.WhatIfChange
		n, urgent int
		text      string
		then      string
	}{
		"no line for the number": {cs + "routing-table called-e164 rt_from_starface\nno route default\nroute user.01 dest-service hg_microsoft-directrouting cf_starface2teams\n",
			status.WouldBeRefused, 1, 0, "routing-table rt_from_starface: no key matches and there is no default", "refused with 404"},
		"the table is gone": {cs + "no routing-table called-e164 rt_from_teams\n", status.WouldBeRefused, 3, 1, "does not exist", "refused with 404"},
		"another destination": {cs + "routing-table called-e164 rt_from_teams\nroute default dest-service hg_microsoft-directrouting\n", status.WouldGoElsewhere, 3, 1,
			"if_sip_starface => if_sip_microsoft-directrouting-primary, ", "calling +4989123456@sip"},
		"another number": {cs + "mapping-table called-uri to called-e164 mt_starface2teams-b-e164\nmap sip:user.02@.+ to +497123999\n", status.WouldCallAnother, 1, 0,
			"if_sip_microsoft-directrouting-primary", "calling +497123999@"},
		"another caller": {cs + "mapping-table calling-e164 to calling-uri mt_teams2starface-a-uri\nmap \\+497123223 to sip:user.03@192.168.1.100\n", status.WouldShowAnother, 1, 0,
			"if_sip_starface", "for user.03"},
		"one hub less":          {cs + "interface sip if_sip_microsoft-directrouting-secondary\nno remote\n", status.WouldGoElsewhere, 2, 0, "directrouting-primary, if_sip_microsoft-directrouting-tertiary", "then if_sip"},
		"the interface is gone": {cs + "no interface sip if_sip_starface\n", status.WouldBeRefused, 3, 1, "if_sip_starface", "refused with"},
	} {
		r := replay(t, configured(t, c.lines))
		if r.Calls != 5 || len(r.Groups) == 0 {
			t.Errorf("%s: %+v", name, r)
			continue
		}
		g := r.Groups[0]
		if g.Change != c.change || g.Calls != c.n || g.Emergency != c.urgent || !strings.Contains(g.Text, c.text) || !strings.Contains(g.Example.Then, c.then) || g.Example.ID == "" {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

// What is refused now and would not be.
func TestCallsThatWouldBeAccepted(t *testing.T) {
	now := configured(t, "context cs SWITCH\nrouting-table called-e164 rt_from_starface\nno route default\n")
	r := whatif.Replay(t.Context(), calls(), noon.AddDate(0, 0, -1), now, configured(t, ""), func(string) []netip.Addr { return nil })
	if len(r.Groups) != 1 || r.Groups[0].Change != status.WouldBeAccepted || r.Groups[0].Calls != 2 || r.Same != 3 {
		t.Errorf("%+v", r)
	}
}

// When the time is up, the rest is counted and not asked.
func TestTheTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := whatif.Replay(ctx, calls(), time.Time{}, configured(t, ""), configured(t, ""), func(string) []netip.Addr { return nil })
	if r.Calls != 0 || r.NotAsked != 6 {
		t.Errorf("%+v", r)
	}
}

// However many tables there are: the groups have a bound, and every call is counted.
func TestGroupsHaveABound(t *testing.T) {
	var records []status.Record
	for n := range 300 {
		r := calls()[0]
		r.From = "if_" + strings.Repeat("x", n)
		records = append(records, r)
	}
	then := configured(t, "")
	now := configured(t, "")
	for n := range 300 {
		i := *now.CS[0].Interfaces[0]
		i.Name = "if_" + strings.Repeat("x", n)
		now.CS[0].Interfaces = append(now.CS[0].Interfaces, &i)
	}
	r := whatif.Replay(t.Context(), records, time.Time{}, now, then, func(string) []netip.Addr { return nil })
	sum := 0
	for _, g := range r.Groups {
		sum += g.Calls
	}
	if sum != 300 || len(r.Groups) > 101 {
		t.Errorf("%d calls in %d groups", sum, len(r.Groups))
	}
}

// A call that went by the routes of a survival is replayed with those of that name; where the other configuration has none, by the ordinary ones.
func TestCallsOfASurvival(t *testing.T) {
	const survival = `
context cs SWITCH
  survival PBX
    watch interface if_sip_starface
    route from if_sip_microsoft-directrouting-primary dest-service hg_microsoft-directrouting
`
	now := configured(t, survival)
	r := calls()[2]
	r.Survival = "PBX"
	known := func(string) []netip.Addr { return nil }
	elsewhere := func(then *config.Config) []status.WhatIfGroup {
		return whatif.Replay(t.Context(), []status.Record{r}, noon.AddDate(0, 0, -1), now, then, known).Groups
	}
	if g := elsewhere(configured(t, survival)); len(g) != 0 {
		t.Errorf("the same survival: %+v", g)
	}
	if g := elsewhere(configured(t, "")); len(g) != 1 || g[0].Change != status.WouldGoElsewhere || !strings.HasSuffix(g[0].Text, "=> if_sip_starface") {
		t.Errorf("without it: %+v", g)
	}
}
