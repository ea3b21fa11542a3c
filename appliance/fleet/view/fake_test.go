package view

import (
	"context"
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/lease"
	"viaduct/appliance/status"
)

// noon is when the fleets of tests are looked at.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// fake is a hub with fleets that a test has made.
type fake struct {
	list   []Fleet
	failed []string
	err    error
	alarms []Alarm
	calls  []Call
}

func (f *fake) fleets(context.Context) ([]Fleet, []string, error) { return f.list, f.failed, f.err }
func (f *fake) past(context.Context, string, string) ([]Alarm, []Call, error) {
	return slices.Clone(f.alarms), slices.Clone(f.calls), f.err
}

// thousand is a fleet of so many boxes, some with something wrong.
func thousand() *fake {
	f := Fleet{Customer: "acme", At: noon, Pools: []Pool{
		{Kind: "sip-sessions", Total: 4000, Leased: 3810, shares: map[string]lease.Share{}}, {Kind: "srtp-channels", Total: 2000, Leased: 612, shares: map[string]lease.Share{}},
	}}
	towns := []string{"berlin", "hamburg", "muenchen", "koeln", "frankfurt", "stuttgart", "leipzig", "dresden", "bremen", "essen"}
	for i := range 1000 {
		name := fmt.Sprintf("%s-%03d", towns[i%len(towns)], i/len(towns))
		b := Box{Customer: f.Customer, Name: name, Serial: fmt.Sprintf("00A0BA%06X", 4096+i), State: Unseen, Since: noon.Add(-3 * 24 * time.Hour)}
		b.Leases = []Share{{Kind: "sip-sessions", Count: i % 8, Max: 16, Until: noon.Add(20 * time.Hour)}, {Kind: "srtp-channels", Count: i % 3, Max: 16, Until: noon.Add(20 * time.Hour)}}
		s := fleet.Status{Serial: b.Serial, Firmware: "1.18.0", Board: "Raspberry Pi 4 Model B Rev 1.5", Time: noon.Add(-12 * time.Second), Started: noon.Add(-time.Duration(i+1) * 7 * time.Hour), Calls: i % 5}
		s.Licenses = []status.Pool{{Name: "sip-sessions", BuiltIn: 4, Leased: i % 8, Total: 4 + i%8, Alloc: i % 5, Free: 4}, {Name: "srtp-channels", Leased: i % 3, Total: i % 3}}
		s.Remote = []string{"ssh", "https"}
		heard := noon.Add(-12 * time.Second)
		switch {
		case i == 3 || i == 400:
			heard = noon.Add(-5 * time.Hour)
		case i == 7:
			b.State, b.Since = Revoked, noon.Add(-26*time.Hour)
		case i == 8:
			b.State, b.Since = Keyless, noon.Add(-20*time.Minute)
		case i == 9:
			f.Boxes = append(f.Boxes, b)
			continue
		case i%250 == 20:
			s.Alarms = []fleet.Alarm{
				{Alarm: "peer-down", Subject: "sip.pstnhub.microsoft.com", Severity: "error", Time: noon.Add(-20 * time.Minute), Text: "Teams does not answer: no peer of the gateway TEAMS is up, so no calls go there.", Cure: "show sip-gateway TEAMS"},
				{Alarm: "certificate-expires", Subject: "SBC", Severity: "warning", Time: noon.Add(-48 * time.Hour), Text: "The certificate pki:certificate/SBC ends on 2026-12-09."},
			}
		case i == 55:
			s.Alarms = []fleet.Alarm{{Alarm: "no-calls", Severity: "critical", Time: noon.Add(-time.Minute), Text: "No calls are possible."}}
			s.Unsent = 3 << 20
			s.Time = noon.Add(40 * time.Minute)
		case i%90 == 14:
			s.Alarms = []fleet.Alarm{{Alarm: "fleet-grace", Subject: "sip-sessions", Severity: "warning", Time: noon.Add(-time.Hour), Text: "A lease has ended."}}
		}
		switch i % 40 {
		case 1, 2, 3:
			s.Firmware = "1.17.2"
		case 14:
			s.Firmware = "1.15.0"
		}
		b.take(s, heard, noon)
		f.Boxes = append(f.Boxes, b)
	}
	slices.SortFunc(f.Boxes, worseFirst)
	k := &fake{list: []Fleet{f}}
	for i := range 12 {
		at := noon.Add(-time.Duration(12-i) * time.Hour)
		what := []string{"raised", "cleared"}[i%2]
		k.alarms = append(k.alarms, Alarm{Box: "essen-005", Received: at, Alarm: fleet.Alarm{Time: at, Alarm: "peer-down", Subject: "10.1.1.2", Severity: "error", What: what, Text: "The PBX does not answer: its peer 10.1.1.2 is down."}})
		r := status.Record{Started: at, Calling: "+4930123456", Called: fmt.Sprint("+49891234", i), From: "IF_PBX", To: "IF_TEAMS", Code: 200, By: status.ByCaller, Connected: at.Add(5 * time.Second), Ended: at.Add(time.Duration(i*95+9) * time.Second)}
		if i%4 == 3 {
			r.Connected, r.Code, r.Reason = time.Time{}, 486, "Busy Here"
		}
		k.calls = append(k.calls, Call{Box: "essen-005", Received: at, Record: r})
	}
	return k
}
