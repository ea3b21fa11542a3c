package status

import (
	"net/netip"
	"time"
)

// SNMP is the state of the SNMP responder. Its counters began with sbcd.
type SNMP struct {
	Engine      string           `json:"engine,omitempty"` // identity, hex; "": it has never run
	Boots       uint32           `json:"boots,omitempty"`
	Community   bool             `json:"v2c"` // v2c is answered
	V3Users     int              `json:"v3_users"`
	Listeners   []netip.AddrPort `json:"listeners,omitempty"`
	Requests    uint64           `json:"requests"`          // messages that were read
	Malformed   uint64           `json:"malformed"`         // of other versions, too
	Communities uint64           `json:"wrong_communities"` // v2c
	Users       uint64           `json:"unknown_users"`     // v3, as below
	Passwords   uint64           `json:"wrong_passwords"`
	Levels      uint64           `json:"wrong_levels"`      // the user must be authenticated, or encrypted
	Untimely    uint64           `json:"untimely"`          // recorded, or of a station that has lost our time
	Strangers   uint64           `json:"strangers"`         // messages from networks without access
	Surplus     uint64           `json:"surplus"`           // messages that were too many
	Traps       uint64           `json:"traps"`             // sent
	TrapsLost   uint64           `json:"traps_lost"`        // not sent
	Refused     string           `json:"refused,omitempty"` // the last request that was: why, and whose
}

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
