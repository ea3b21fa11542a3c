package system

import (
	"testing"
	"time"

	"viaduct/appliance/lang"
	"viaduct/appliance/sipgw"
	"viaduct/board"
)

// The LED says at a glance that the PBX or Teams is lost (teams.md B.11).
func TestTheLEDSaysHowTheBoxDoes(t *testing.T) {
	up := []lang.Gateway{{Name: "lan", State: "up"}, {Name: "wan", State: "shutdown"}}
	registered := sipgw.RegistrationState{Identity: "user.01", State: "registered", Expires: time.Now().Add(time.Minute)}
	answers := sipgw.ProbeState{Interface: "if_teams", State: "up"}
	for why, x := range map[string]struct {
		gateways      []lang.Gateway
		waits         bool
		registrations []sipgw.RegistrationState
		probes        []sipgw.ProbeState
		want          board.Light
	}{
		"all is well":                    {up, false, []sipgw.RegistrationState{registered}, []sipgw.ProbeState{answers}, board.LightWell},
		"nothing is configured":          {nil, false, nil, nil, board.LightAlarm},
		"TLS waits for the time":         {up, true, nil, nil, board.LightAlarm},
		"a socket is missing":            {append(up[:1:1], lang.Gateway{State: "failed"}), false, nil, nil, board.LightAlarm},
		"a registration is lost":         {up, false, []sipgw.RegistrationState{registered, {State: "failed"}}, nil, board.LightAlarm},
		"not registered yet":             {up, false, []sipgw.RegistrationState{{State: "registering"}}, nil, board.LightAlarm},
		"registered, and on its way new": {up, false, []sipgw.RegistrationState{{State: "registering", Expires: time.Now()}}, nil, board.LightWell},
		"a hub refuses us":               {up, false, nil, []sipgw.ProbeState{answers, {State: "up", Code: 403}}, board.LightAlarm},
		"a PBX knows no OPTIONS":         {up, false, nil, []sipgw.ProbeState{answers, {State: "up", Code: 405}}, board.LightWell},
		"a peer that nobody asks":        {up, false, nil, []sipgw.ProbeState{answers, {State: "unasked"}}, board.LightWell},
		"a hub does not answer":          {up, false, nil, []sipgw.ProbeState{answers, {Boxed: true}}, board.LightAlarm},
	} {
		if got := lightOf(x.gateways, x.waits, x.registrations, x.probes); got != x.want {
			t.Errorf("%s: %v, want %v", why, got, x.want)
		}
	}
}
