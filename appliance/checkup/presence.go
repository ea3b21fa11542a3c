package checkup

import (
	"context"

	"viaduct/appliance/status"
)

// presenceServices are those that are not shut down.
func presenceServices(s *survey, _ string) (list []subject) {
	for _, p := range s.cfg.Presence {
		if p.Enabled {
			list = append(list, subject{name: p.Name})
		}
	}
	return list
}

// checkPresence goes through the steps of `presence test`, and tells what it found at their end, or where they ended.
func checkPresence(ctx context.Context, s *survey, x subject) finding {
	var f finding
	_, err := s.c.o.Box.TestPresence(ctx, x.name, func(step status.CheckStep) {
		cure := step.Cure
		switch step.State {
		case status.CheckOK:
			f.seen = step.Seen // of the last one: the others lead there
		case status.CheckFailed:
			f = f.fails("%s: %s", step.Title, step.Problem).by("%s", step.Advice).paste(cure...)
		case status.CheckWarning:
			f = f.warns("%s: %s", step.Title, step.Problem).by("%s", step.Advice).paste(cure...)
		}
	})
	if err != nil { // it was removed meanwhile
		return f.warns("%v", err)
	}
	return f
}
