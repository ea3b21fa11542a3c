package system

import (
	"os"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
)

// traced is a box with the published configuration, and tables of times.
func traced(t *testing.T) *System {
	t.Helper()
	text, err := os.ReadFile("../lang/testdata/starface-teams.cfg")
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems := lang.New().Parse(append(text, []byte(`
context cs SWITCH
  routing-table day-of-week DAYS
    route mon-fri dest-interface if_sip_starface
  routing-table time HOURS
    route 08:00-17:00 dest-interface if_sip_starface
    route default dest-interface OPEN
  routing-table date FEAST
    route 24.12.2026 dest-interface OPEN
    route default dest-interface if_sip_starface
  routing-table calling-ip FROM
    route 192.0.2.0/24 dest-interface OPEN
  routing-table calling-name WHO
    route Anna dest-interface OPEN
  routing-table called-ip TO
    route 192.0.2.7 dest-interface OPEN
  interface sip OPEN
    remote 192.168.1.77
location-service ls_starface
  domain 2 192.168.1.100
`)...))
	for _, p := range problems {
		if p.Severity == check.Error {
			t.Fatal(p)
		}
	}
	s := boxOf(t, named(t, "sim"), t.TempDir(), "")
	if err := s.Mutate(status.Author{}, func(*config.Config) (*config.Config, error) { return cfg, nil }); err != nil {
		t.Fatal(err)
	}
	return s
}

// A dry run uses what it was given, and ends with what would become of the call.
func TestADryRunSaysWhatWouldBecomeOfTheCall(t *testing.T) {
	s := traced(t)
	table := func(name string) device.TraceStart {
		return device.TraceStart{Context: "SWITCH", Dest: config.Dest{Table: config.Ref[config.Switch, config.RoutingTable]{Name: name}}}
	}
	for _, x := range []struct {
		start  device.TraceStart
		given  string
		result string
		note   string // one of the notes holds this; "-": there is none
	}{
		{table("rt_from_teams"), "called-e164 +4930123456 calling-uri sip:+497123222@sip.pstnhub.microsoft.com", "go to if_sip_starface: sip:+4930123456@starface.meinefirma.de from sip:user.01@192.168.1.100, with account user.01",
			`mapping-table mt_teams2starface-b-internalCalls has no key for called-e164 "+4930123456"`},
		{table("rt_from_teams"), "called-e164 +4930123456 calling-e164 +497123999", "without an account: the peer may refuse it", "there is no account for +497123999"},
		{table("rt_from_teams"), "called-e164 +4930123456", "without an account", "no caller was given"},
		{device.TraceStart{Interface: config.InterfaceID{Context: "SWITCH", Name: "if_sip_microsoft-directrouting-primary"}}, "called-e164 +4930123456 calling-uri sip:+497123222@h", "with account user.01", ""},
		{device.TraceStart{Interface: config.InterfaceID{Context: "SWITCH", Name: "if_sip_starface"}}, "called-uri sip:user.01@192.168.1.1 calling-e164 +4930123", "go to if_sip_microsoft-directrouting-primary: sip:+497123222@sip.pstnhub.microsoft.com:5061", "-"},
		{table("DAYS"), "day-of-week tue calling-e164 1", "go to if_sip_starface", ""},
		{table("DAYS"), "day-of-week sun calling-e164 1", `refused with 404: routing-table DAYS: no key matches day-of-week "sun"`, "-"},
		{table("DAYS"), "date 29.11.2026 calling-e164 1", "refused with 404", "-"},
		{table("HOURS"), "time 03:00 calling-e164 1", "refused with 503: no destination can be called now, OPEN because it has no context sip-gateway", "-"},
		{table("HOURS"), "time 8:00 calling-e164 1", "go to if_sip_starface", ""},
		{table("FEAST"), "time 10:00 date 24.12.2026 calling-e164 1", "OPEN because", "-"},
		{table("FEAST"), "date 25.12.2026 calling-e164 1", "go to if_sip_starface", ""},
		{table("FROM"), "calling-ip 192.0.2.7 calling-e164 1", "OPEN because", "-"},
		{table("FROM"), "calling-ip 192.0.3.7 calling-e164 1", "refused with 404", "-"},
		{table("TO"), "called-ip 192.0.2.7 calling-e164 1", "OPEN because", "-"},
		{table("WHO"), "calling-name Anna calling-e164 1", "OPEN because", "-"},
	} {
		got, err := s.Trace(x.start, pairs(x.given))
		notes := strings.Join(got.Notes, "\n")
		if err != nil || !strings.Contains(got.Result, x.result) || x.note == "-" && notes != "" || x.note != "-" && !strings.Contains(notes, x.note) {
			t.Errorf("%v %s: %q, want %q; notes %q, want %q; %v", x.start, x.given, got.Result, x.result, notes, x.note, err)
		}
	}
	for given, want := range map[string]string{
		"time 25:00":                      "is not a time",
		"date 2026-12-24":                 "is not a date",
		"day-of-week di":                  "is not a day",
		"day-of-week tue date 29.11.2026": "date 29.11.2026 is no tuesday",
		"calling-ip pbx":                  "is no address",
		"calling-pi hidden":               "is no calling-pi",
	} {
		if _, err := s.Trace(table("DAYS"), pairs(given)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", given, err, want)
		}
	}
}

func TestADryRunMissesLicenses(t *testing.T) {
	s := traced(t)
	share, err := s.licenses.Acquire(s.licenses.Sessions(), 0)
	if err != nil {
		t.Fatal(err)
	}
	start := device.TraceStart{Interface: config.InterfaceID{Context: "SWITCH", Name: "if_sip_starface"}}
	given := pairs("called-uri sip:user.01@192.168.1.1 calling-e164 1")
	if got, _ := s.Trace(start, given); !strings.Contains(got.Result, "refused with 503: no free license: all 4 sip-sessions are in use") {
		t.Error(got.Result)
	}
	share.Release()
	if got, _ := s.Trace(start, given); !strings.Contains(got.Result, "would go to") {
		t.Error(got.Result)
	}
	if rows := s.licenses.Table(); rows[0].Alloc != 0 {
		t.Errorf("a dry run keeps licenses: %+v", rows)
	}
}

func pairs(text string) (list []device.PropertyValue) {
	words := strings.Fields(text)
	for i := 0; i < len(words); i += 2 {
		list = append(list, device.PropertyValue{Property: config.Property(words[i]), Value: words[i+1]})
	}
	return list
}
