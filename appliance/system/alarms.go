package system

import (
	"viaduct/appliance/health"
	"viaduct/appliance/lang/check"
)

// Alarms are what is wrong with the box, the worst first.
func (s *System) Alarms() []health.Alarm {
	s.watchStore()
	return s.health.Current()
}

// AlarmCounts is how many alarms of each kind there are.
func (s *System) AlarmCounts() []health.Count { return s.health.Counts() }

// problems are the alarms that somebody has to look at, as the list of problems has them.
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

// judge sets an alarm that there is one of at most, or clears it when nothing is wrong.
func (s *System) judge(w *health.Warnable, why string) {
	if why == "" {
		s.health.Clear(w, "")
		return
	}
	s.health.Set(w, health.Args{"why": why})
}
