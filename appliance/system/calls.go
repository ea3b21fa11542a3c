package system

import (
	"errors"
	"fmt"

	"viaduct/appliance/status"
)

// Calls lists the calls in progress.
func (s *System) Calls() []status.Call { return s.calls.Calls() }

// CallCount counts the calls in progress without asking them.
func (s *System) CallCount() int { return s.calls.Count() }

// ClearCall hangs up one call, or all.
func (s *System) ClearCall(id string) error {
	if !s.calls.Clear(id) && id != "" {
		return fmt.Errorf("there is no call %s", id)
	}
	return nil
}

// Registrations lists the registrations of all identities.
func (s *System) Registrations() []status.Registration { return s.ua.Registrations() }

// Register sends a REGISTER at once for one identity, or for all.
func (s *System) Register(identity string) (int, error) {
	n := s.ua.RegisterNow(identity)
	switch {
	case n == 0 && identity != "":
		return 0, fmt.Errorf("no identity %s registers: see show sip registrations", identity)
	case n == 0:
		return 0, errors.New("no identity registers: registration outbound with register auto is missing")
	}
	return n, nil
}

// Peers lists the peers of all SIP interfaces.
func (s *System) Peers() []status.Peer { return s.ua.Peers() }

// Gateways lists the configured gateways with their sockets.
func (s *System) Gateways() []status.Gateway { return s.sip.Gateways() }
