package system

import (
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
)

// Alarms lists the alarms that are up, the worst first.
func (s *System) Alarms() []health.Alarm {
	s.watchStore()
	return s.health.Current()
}

// AlarmCounts counts the alarms that are up, by kind.
func (s *System) AlarmCounts() []health.Count { return s.health.Counts() }

// problems lists the alarms that need an administrator, in the form of the problem list.
func (s *System) problems() (list []check.Problem) {
	for _, a := range s.Alarms() {
		if a.Severity >= health.Warning {
			list = append(list, problem(a))
		}
	}
	return list
}

func problem(a health.Alarm) check.Problem {
	p := check.Problem{Severity: check.Warning, Text: a.Sentence()}
	switch len(a.Cure) {
	case 0:
	case 1:
		p.Fix = a.Cure[0]
	default:
		p.First, p.Fix = a.Cure[0], a.Cure[1]
	}
	return p
}

// judge sets an alarm that exists at most once, or clears it when why is empty.
func (s *System) judge(w *health.Warnable, why string) {
	if why == "" {
		s.health.Clear(w, "")
		return
	}
	s.health.Set(w, health.Args{"why": why})
}
