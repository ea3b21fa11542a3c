package system

import (
	"context"

	"viaduct/appliance/health"
	"viaduct/board"
)

// The front of the box: its LED, and its reset button.

// lights shows on the LED how the box does, until ctx ends.
func (s *System) lights(ctx context.Context) error {
	alarms, cancel := s.health.Subscribe()
	defer cancel()
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
		case <-alarms:
		case <-s.lit:
		}
	}
}

// light is update while an image is written, and else whether something that is configured does not work, or nothing is configured.
func (s *System) light() board.Light {
	if s.updating.Load() > 0 {
		return board.LightUpdate
	}
	if worst, _ := s.health.Worst(); worst >= health.Error || s.health.Stands(health.NoGateway) {
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
