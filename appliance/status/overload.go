package status

import "time"

// Overload is whether more new calls come than the box can carry.
type Overload struct {
	State   OverloadState `json:"state"`
	Wait    time.Duration `json:"wait_ns"`        // of new calls until they are handled, in the last tenth of a second with any
	Rate    float64       `json:"rate,omitempty"` // calls a second that are let in; 0: all
	Since   time.Time     `json:"since,omitzero"` // calls have been refused; zero: none are now
	Refused uint64        `json:"refused"`        // calls, since the start
}

// OverloadState is how much the box has to do.
type OverloadState uint8

const (
	Calm     OverloadState = iota // new calls are handled at once
	Strained                      // they wait; it may be a burst
	Shedding                      // they have waited for too long: a part of the new ones is refused
)

var overloadStates = words{"calm", "strained", "shedding"}

func (s OverloadState) String() string               { return overloadStates.text(uint8(s)) }
func (s OverloadState) MarshalText() ([]byte, error) { return overloadStates.marshal(uint8(s)) }

func (s *OverloadState) UnmarshalText(text []byte) error {
	return overloadStates.unmarshal(text, (*uint8)(s))
}
