package answer

import (
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Survivals shows whether calls go other ways because a peer is gone, and which.
func (pg Page) Survivals(list []status.Survival, now time.Time) {
	if len(list) == 0 {
		pg.Printf("no survival: docs/phones.md shows how calls go on without the PBX\n")
	}
	for n, s := range list {
		if n > 0 {
			pg.Printf("\n")
		}
		pg.Printf("survival %s\n  Peer: interface sip %s\n", s.Name, s.Watch)
		state := s.State.String()
		if !s.Since.IsZero() {
			state += " for " + span(now.Sub(s.Since))
		}
		pg.Printf("  State: %s\n", state)
		if s.Why != "" && s.State != status.SurvivalWell {
			pg.Folded("  Why: ", "the peer "+s.Why)
		}
		switch s.State {
		case status.SurvivalLosing:
			pg.Printf("  Calls go other ways in: %s\n", span(max(0, s.Next.Sub(now))))
		case status.SurvivalReturning:
			pg.Printf("  Calls go their usual ways in: %s\n", span(max(0, s.Next.Sub(now))))
		}
		if !s.Active.IsZero() {
			pg.Printf("  In force for: %s\n", span(now.Sub(s.Active)))
		}
		pg.Printf("  In force since the start: %s\n", times(s.Times))
		for _, r := range s.Routes {
			to := r.To
			if r.Over != "" {
				to += ", but survival " + r.Over + " has the say"
			}
			pg.Printf("  Calls from %s go to %s\n", r.From, to)
		}
	}
}

// times says how often something has happened.
func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return plural.Of(n, "time")
}
