package system

import "viaduct/appliance/health"

// Alarms lists the alarms that are up, the worst first.
func (s *System) Alarms() []health.Alarm {
	s.watchStore()
	return s.health.Current()
}

// AlarmCounts counts the alarms that are up, by kind.
func (s *System) AlarmCounts() []health.Count { return s.health.Counts() }

// judge sets an alarm that exists at most once, or clears it when why is empty.
func (s *System) judge(w *health.Warnable, why string) {
	if why == "" {
		s.health.Clear(w, "")
		return
	}
	s.health.Set(w, health.Args{"why": why})
}
