package system

import (
	"context"
	"errors"

	"viaduct/appliance/status"
)

var errNoPair = errors.New("the box is one of no pair")

// Redundancy is how the box stands in its pair.
func (s *System) Redundancy() status.Redundancy { return status.Redundancy{State: status.PairOff} }

// RedundancyKey is what the other box of a pair knows this one by.
func (s *System) RedundancyKey() (string, error) { return "", errNoPair }

// SwitchRedundancy has the standby of the pair take over.
func (s *System) SwitchRedundancy(context.Context) error { return errNoPair }
