package system

import (
	"viaduct/appliance/diag"
	"viaduct/appliance/status"
	"viaduct/appliance/survival"
)

// newSurvivals makes what has calls go other ways while a peer is gone.
func (s *System) newSurvivals() *survival.Survivals {
	return survival.New(survival.Options{Log: s.sessions.Logger(diag.TopicCall, diag.TopicRoute), Health: &s.health, Config: s.Running, Gone: s.ua.Gone, Ask: s.ua.Suspect})
}

// Survivals are those that are configured, and how each is.
func (s *System) Survivals() []status.Survival { return s.survival.Status() }
