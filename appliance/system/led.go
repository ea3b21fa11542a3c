package system

import (
	"context"

	"viaduct/appliance/health"
	"viaduct/board"
)

// The front of the box: its LED, and its reset button.

// lights keeps the LED up to date until ctx ends.
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

// light shows an update while an image is written. Otherwise it shows whether a part of the configuration does not work, or nothing is
// configured.
func (s *System) light() board.Light {
	if s.firmware.Busy() {
		return board.LightUpdate
	}
	if worst, _ := s.health.Worst(); worst >= health.Error || s.health.Active(health.NoGateway) {
		return board.LightAlarm
	}
	return board.LightWell
}

// relight updates the LED at once.
func (s *System) relight() {
	select {
	case s.lit <- struct{}{}:
	default:
	}
}

// button waits for the reset button. It erases the startup-config and with it every account, so that the serial line admits people
// again. Keys, certificates, licenses and the earlier configurations stay.
func (s *System) button(ctx context.Context) error {
	return s.o.Board.ResetButton(ctx, func() {
		s.log.Warn("reset button: factory settings")
		s.noteBox("the reset button erased the startup-config")
		if err := s.store.EraseStartup(); err != nil {
			s.log.Error("factory reset", "err", err)
			return
		}
		s.restart(false)
	})
}
