package system

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/appliance/clock"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
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
		refused       []error
		registrations []status.Registration
		probes        []status.Peer
		want          board.Light
	}{
		"all is well":                    {up, nil, []status.Registration{registered}, []status.Peer{answers}, board.LightWell},
		"nothing is configured":          {nil, nil, nil, nil, board.LightAlarm},
		"TLS waits for the time":         {up, []error{fmt.Errorf("gateway wan: %w", clock.ErrWaits)}, nil, nil, board.LightAlarm},
		"a socket is missing":            {append(up[:1:1], gateway(status.GatewayFailed)), []error{errors.New("gateway wan: its address is not there")}, nil, nil, board.LightAlarm},
		"a registration is lost":         {up, nil, []status.Registration{registered, {State: status.RegistrationFailed}}, nil, board.LightAlarm},
		"not registered yet":             {up, nil, []status.Registration{{State: status.Registering}}, nil, board.LightAlarm},
		"registered, and on its way new": {up, nil, []status.Registration{{State: status.Registering, Expires: time.Now()}}, nil, board.LightWell},
		"a hub refuses us":               {up, nil, nil, []status.Peer{answers, {State: status.PeerRefuses}}, board.LightAlarm},
		"a PBX knows no OPTIONS":         {up, nil, nil, []status.Peer{answers, {State: status.PeerUp, Code: 405}}, board.LightWell},
		"a peer that nobody asks":        {up, nil, nil, []status.Peer{answers, {State: status.PeerUnasked}}, board.LightWell},
		"a hub does not answer":          {up, nil, nil, []status.Peer{answers, {State: status.PeerDown}}, board.LightAlarm},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := watched()
			s.running.Store(config.New())
			s.watchGateways(len(x.gateways))
			s.eye.Peers(time.Now(), s.Running(), x.registrations, x.probes)
			s.gatewaysApplied(errors.Join(x.refused...))
			time.Sleep(health.RegistrationFailed.Delay)
			if got := s.light(); got != x.want {
				t.Errorf("%s: %v, want %v: %v", why, got, x.want, s.health.Current())
			}
		})
	}
}
