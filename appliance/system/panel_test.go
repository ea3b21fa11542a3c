package system

import (
	"testing"
	"time"

	"viaduct/appliance/status"
	"viaduct/board"
)

// The LED says at a glance that the PBX or Teams is lost (teams.md B.11).
func TestTheLEDSaysHowTheBoxDoes(t *testing.T) {
	gateway := func(s status.GatewayInterfaceState) status.Gateway {
		return status.Gateway{Interfaces: []status.GatewayInterface{{State: s}}}
	}
	up := []status.Gateway{gateway(status.GatewayUp), gateway(status.GatewayShutdown)}
	registered := status.Registration{Identity: "user.01", State: status.Registered, Expires: time.Now().Add(time.Minute)}
	answers := status.Peer{Interface: "if_teams", State: status.PeerUp}
	for why, x := range map[string]struct {
		gateways      []status.Gateway
		waits         bool
		registrations []status.Registration
		probes        []status.Peer
		want          board.Light
	}{
		"all is well":                    {up, false, []status.Registration{registered}, []status.Peer{answers}, board.LightWell},
		"nothing is configured":          {nil, false, nil, nil, board.LightAlarm},
		"TLS waits for the time":         {up, true, nil, nil, board.LightAlarm},
		"a socket is missing":            {append(up[:1:1], gateway(status.GatewayFailed)), false, nil, nil, board.LightAlarm},
		"a registration is lost":         {up, false, []status.Registration{registered, {State: status.RegistrationFailed}}, nil, board.LightAlarm},
		"not registered yet":             {up, false, []status.Registration{{State: status.Registering}}, nil, board.LightAlarm},
		"registered, and on its way new": {up, false, []status.Registration{{State: status.Registering, Expires: time.Now()}}, nil, board.LightWell},
		"a hub refuses us":               {up, false, nil, []status.Peer{answers, {State: status.PeerRefuses}}, board.LightAlarm},
		"a PBX knows no OPTIONS":         {up, false, nil, []status.Peer{answers, {State: status.PeerUp, Code: 405}}, board.LightWell},
		"a peer that nobody asks":        {up, false, nil, []status.Peer{answers, {State: status.PeerUnasked}}, board.LightWell},
		"a hub does not answer":          {up, false, nil, []status.Peer{answers, {State: status.PeerDown}}, board.LightAlarm},
	} {
		if got := lightOf(x.gateways, x.waits, x.registrations, x.probes); got != x.want {
			t.Errorf("%s: %v, want %v", why, got, x.want)
		}
	}
}
