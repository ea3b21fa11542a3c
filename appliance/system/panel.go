package system

import (
	"context"
	"time"

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

// light is update while an image is written, and alarm while something that is configured does not work, or nothing is configured.
func (s *System) light() board.Light {
	if s.updating.Load() > 0 {
		return board.LightUpdate
	}
	gateways := s.Gateways()
	if len(gateways) == 0 || s.tlsWaits.Load() {
		return board.LightAlarm
	}
	for _, g := range gateways {
		if g.State == "failed" {
			return board.LightAlarm
		}
	}
	for _, r := range s.sip.Registrations() {
		if r.State == "failed" || r.State == "registering" && r.Expires.IsZero() {
			return board.LightAlarm
		}
	}
	for _, p := range s.sip.PenaltyBox() {
		if p.Boxed {
			return board.LightAlarm
		}
	}
	return board.LightWell
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
