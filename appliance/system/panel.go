package system

import (
	"context"
	"slices"
	"time"

	"viaduct/appliance/status"
	"viaduct/board"
)

// The front of the box: its LED, and its reset button.

// lights shows on the LED how the box does, until ctx ends.
func (s *System) lights(ctx context.Context) error {
	every := time.NewTicker(2 * time.Second)
	defer every.Stop()
	var shown board.Light
	for {
		if l := s.light(); l != shown {
			if err := s.o.Board.LED(l); err != nil {
				s.log.Warn("LED not set", "err", err)
			}
			shown = l
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		case <-s.lit:
		}
	}
}

// light is update while an image is written, and else how the box does.
func (s *System) light() board.Light {
	if s.updating.Load() > 0 {
		return board.LightUpdate
	}
	if s.standing.some() {
		return board.LightAlarm
	}
	return lightOf(s.Gateways(), s.tlsWaits.Load(), s.ua.Registrations(), s.ua.PenaltyBox())
}

// lightOf is alarm while something that is configured does not work, or nothing is configured: a socket, TLS that waits for the time,
// a registration, a peer that does not answer OPTIONS or answers that it will not have us.
func lightOf(gateways []status.Gateway, waits bool, registrations []status.Registration, peers []status.Peer) board.Light {
	switch {
	case len(gateways) == 0, waits,
		slices.ContainsFunc(gateways, func(g status.Gateway) bool {
			return slices.ContainsFunc(g.Interfaces, func(i status.GatewayInterface) bool { return i.State == status.GatewayFailed })
		}),
		slices.ContainsFunc(registrations, func(r status.Registration) bool {
			return r.State == status.RegistrationFailed || r.State == status.Registering && r.Expires.IsZero()
		}),
		slices.ContainsFunc(peers, func(p status.Peer) bool { return p.State == status.PeerDown || p.State == status.PeerRefuses }):
		return board.LightAlarm
	}
	return board.LightWell
}

// relight has the LED looked at now.
func (s *System) relight() {
	select {
	case s.lit <- struct{}{}:
	default:
	}
}

// button waits for the reset button: the startup-config goes, and with it every account, so that the serial line lets people in
// again. Keys, certificates and licenses stay, and the last configurations can be read back.
func (s *System) button(ctx context.Context) error {
	return s.o.Board.ResetButton(ctx, func() {
		s.log.Warn("reset button: factory settings")
		if err := s.store.EraseStartup(); err != nil {
			s.log.Error("factory reset", "err", err)
			return
		}
		s.restart(false)
	})
}
