package status

import "time"

// HEP is the state of the client of a capture server. Its counters began with sbcd.
type HEP struct {
	State   HEPState  `json:"state"`
	Server  string    `json:"server,omitempty"` // host:port/transport
	Since   time.Time `json:"since,omitzero"`   // the state
	Waiting int       `json:"waiting"`          // packets in memory
	Sent    uint64    `json:"sent"`
	Shed    uint64    `json:"shed"`            // had to give way to newer ones
	Failed  time.Time `json:"failed,omitzero"` // when it did last
	Error   string    `json:"error,omitempty"` // of that time
}

// HEPState is whether packets go to a capture server.
type HEPState uint8

const (
	HEPOff      HEPState = iota // none is configured
	HEPReaching                 // the first attempts to reach it, and the first seconds of a connection
	HEPSending                  // over UDP also to one that is not there
	HEPAway                     // it is not reached
)

var hepStates = words{"off", "reaching", "sending", "away"}

func (s HEPState) String() string                   { return hepStates.text(uint8(s)) }
func (s HEPState) MarshalText() ([]byte, error)     { return hepStates.marshal(uint8(s)) }
func (s *HEPState) UnmarshalText(text []byte) error { return hepStates.unmarshal(text, (*uint8)(s)) }
