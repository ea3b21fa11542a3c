package status

import "time"

// Drain is a part of the box that is being taken out of service.
type Drain struct {
	What  string     `json:"what"` // "the box", "context cs SWITCH", "interface sip IF"
	State DrainState `json:"state"`
	Since time.Time  `json:"since"`
	Next  time.Time  `json:"refuses_from,omitzero"` // while it drains: from then on new calls are refused
	Limit time.Time  `json:"limit"`                 // calls that are left then are ended
	Calls int        `json:"calls"`                 // that are left
	By    string     `json:"by"`                    // who has ordered it
}

// DrainState is how far something is out of service.
type DrainState uint8

const (
	Serving  DrainState = iota // it is in service
	Draining                   // OPTIONS of Teams stay unanswered, so that its calls go elsewhere; calls are still taken
	Refusing                   // new calls are refused, except to emergency numbers
	Drained                    // likewise, and no call is left
)

var drainStates = words{"serving", "draining", "refusing", "drained"}

func (s DrainState) String() string               { return drainStates.text(uint8(s)) }
func (s DrainState) MarshalText() ([]byte, error) { return drainStates.marshal(uint8(s)) }

func (s *DrainState) UnmarshalText(text []byte) error {
	return drainStates.unmarshal(text, (*uint8)(s))
}
