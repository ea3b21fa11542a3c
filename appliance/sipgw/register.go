package sipgw

import (
	"time"

	"viaduct/appliance/config"
)

// RegistrationState is one identity's registration, as `show sip registrations` prints it.
type RegistrationState struct {
	Gateway, Identity, AOR, Registrar string
	State                             string // "registered", "registering", "failed", "stopped"
	Expires                           time.Time
	Code                              int
	Err                               error
}

// registrations is the set of all registrations of the stack.
type registrations struct{}

func (r *registrations) wake() {}
func (r *registrations) end()  {}

// Registrations tells the state of every registration.
func (s *Stack) Registrations() []RegistrationState { return nil }

// applyRegistrations starts, changes and stops registrations; Apply calls it when the gateways stand.
func (s *Stack) applyRegistrations(cfg *config.Config) {}
