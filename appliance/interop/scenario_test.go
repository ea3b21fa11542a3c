package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"viaduct/appliance/lab"
)

// scenarios are calls between a SIPp in the place of the PBX and one in the place of each Teams hub, with what they play: files of
// testdata, which check what the box says to them.
var scenarios = []struct {
	name       string
	pbx        string
	hubs       []string // in the order of the hunt; the others refuse connections
	teamsCalls bool
	pbxArgs    []string
	configure  []string // replacements in the reference configuration
	code       int      // in the call record
	attempts   int      // 0: one
}{
	{name: "session timer of the PBX and ours to Teams", pbx: "pbx-refreshes", hubs: []string{"teams-is-refreshed"}, configure: shortSessions, code: 200},
	{name: "session timer of Teams and ours to the PBX", pbx: "pbx-is-refreshed", hubs: []string{"teams-refreshes"}, teamsCalls: true, configure: shortSessions, code: 200},
	{name: "hold by the PBX", pbx: "pbx-holds", hubs: []string{"teams-is-held"}, code: 200},
	{name: "hold by the PBX over TCP", pbx: "pbx-holds", pbxArgs: []string{"-t", "t1"}, hubs: []string{"teams-is-held"}, code: 200},
	{name: "hold by Teams", pbx: "pbx-is-held", hubs: []string{"teams-holds"}, teamsCalls: true, code: 200},
	{name: "session timer that Teams finds too short", pbx: "pbx-calls-and-waits", hubs: []string{"teams-wants-longer-sessions"}, code: 200},
	{name: "CANCEL by the PBX", pbx: "pbx-cancels", hubs: []string{"teams-is-cancelled"}, code: 487},
	{name: "CANCEL by Teams", pbx: "pbx-is-cancelled", hubs: []string{"teams-cancels"}, teamsCalls: true, code: 487},
	{name: "Teams is busy", pbx: "pbx-hears-busy", hubs: []string{"teams-is-busy"}, code: 486},
	{name: "PBX is busy", pbx: "pbx-is-busy", hubs: []string{"teams-hears-busy"}, teamsCalls: true, code: 486},
	{name: "503 of a hub", pbx: "pbx-calls-and-waits", hubs: []string{"teams-is-overloaded", "teams-answers"}, code: 200, attempts: 2},
	{name: "503 of the PBX", pbx: "pbx-is-overloaded", hubs: []string{"teams-hears-of-overload"}, teamsCalls: true, code: 503},
	{name: "INVITE and re-INVITE of the PBX without offer", pbx: "pbx-calls-without-offer", hubs: []string{"teams-gets-an-offer"}, code: 200},
	{name: "re-INVITE of Teams without offer", pbx: "pbx-answers", hubs: []string{"teams-asks-for-an-offer"}, teamsCalls: true, code: 200},
}

// shortSessions are sessions of 90 s on both sides: no shorter ones are allowed (RFC 4028 4).
var shortSessions = []string{
	"    session-timer 3600\n", "    session-timer 90\n",
	"    remote starface.meinefirma.de\n", "    remote starface.meinefirma.de\n    session-timer 90\n",
}

func TestSIPp(t *testing.T) {
	t.Parallel()
	for _, test := range scenarios {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := set(t, test.configure...)
			lan, wan := s.world.LAN, s.world.WAN
			var peers []*lab.Process
			pbx := func(args ...string) *lab.Process {
				return s.sipp(lan, lab.StarfaceAddr.String(), test.pbx, append(args, test.pbxArgs...)...)
			}
			if test.teamsCalls {
				p := pbx()
				s.listens(p, "udp", netip.AddrPortFrom(lab.StarfaceAddr, 5060))
				peers = append(peers, p)
			}
			for i, name := range test.hubs {
				hub, r := hubs[i], newRelay(s, hubs[i].addr)
				start := func(args ...string) *lab.Process {
					return s.sipp(wan, hub.addr.String(), name, append(args, "-t", "t1", "-key", "region", hub.region)...)
				}
				if test.teamsCalls {
					peers = append(peers, r.fromSIPp(func(address string) *lab.Process { return start(address) }))
				} else {
					p := start()
					r.toSIPp(p)
					peers = append(peers, p)
				}
			}
			if !test.teamsCalls {
				peers = append(peers, pbx(lab.BoxLAN.String()+":5060"))
			}
			for _, p := range peers {
				if err := p.Wait(); err != nil {
					t.Errorf("%s: %v", strings.Join(p.Cmd.Args[:3], " "), err)
				}
			}
			s.ended(test.code, max(1, test.attempts))
		})
	}
}

// ended waits until nothing of the call is left and checks its record.
func (s *setting) ended(code, attempts int) {
	s.Helper()
	records, err := s.box.WaitRecords(s.ctx, 1)
	if err != nil {
		s.Fatal(err)
	}
	if got := fmt.Sprintf("%d calls, %d after %d attempts", len(records), records[0].Code, len(records[0].Attempts)); got != fmt.Sprintf("1 calls, %d after %d attempts", code, attempts) {
		s.Errorf("%s: %+v", got, records)
	}
	if err := s.box.WaitAlloc(s.ctx, "sip-sessions", 0); err != nil {
		s.Error(err)
	}
}
