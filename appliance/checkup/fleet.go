package checkup

import (
	"cmp"
	"context"
	"strings"

	"viaduct/appliance/status"
)

// fleets is the one that the box belongs to, unless it is shut down.
func fleets(s *survey, _ string) []subject {
	if f := s.cfg.Fleet; f == nil || !f.Enabled || !f.Complete() {
		return nil
	}
	return []subject{{name: s.cfg.Fleet.Name}}
}

// checkHub looks at how the box stands with its hub. Calls go on without one; licenses that are over are missing.
func checkHub(_ context.Context, s *survey, _ subject) finding {
	h := s.c.o.Box.Fleet()
	var f finding
	switch h.State {
	case status.FleetConnected:
		f = f.saw("connected to %s", h.Hub)
	case status.FleetRefused:
		f = f.fails("the hub refuses the box: %s", h.Why)
	default:
		f = f.warns("the hub is not reached: %s", cmp.Or(h.Why, "it has not answered yet"))
	}
	for _, l := range h.Leases {
		switch l.State {
		case status.PoolLeaseHeld:
			f = f.saw("%d %s leased", l.Count, l.Kind)
		case status.PoolLeaseGrace:
			f = f.warns("the lease of %d %s has ended: without the hub they hold until %s", l.Count, l.Kind, l.Grace.UTC().Format("2006-01-02"))
		case status.PoolLeaseLapsed:
			f = f.fails("the lease of %s is over", l.Kind)
		}
	}
	return f.by("%s", strings.TrimSpace(h.Cure+" `show fleet` has the details; the box tries again by itself."))
}
