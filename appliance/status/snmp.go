package status

import "net/netip"

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
