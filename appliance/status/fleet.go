package status

import "time"

// Fleet is the box as a member of a fleet.
type Fleet struct {
	Name    string      `json:"name"`
	State   FleetState  `json:"state"`
	Since   time.Time   `json:"since"`
	Hub     string      `json:"hub,omitempty"`  // the node that it is connected to, HOST:PORT
	Why     string      `json:"why,omitempty"`  // it is not connected, as the end of a sentence
	Cure    string      `json:"cure,omitempty"` // what can be done about it: sentences
	Next    time.Time   `json:"next,omitzero"`  // attempt
	Key     string      `json:"key"`            // the public key; "": none could be made
	Leases  []PoolLease `json:"leases,omitempty"`
	Remote  []string    `json:"remote,omitempty"` // services that operators may connect to: ssh, https
	Tunnels []Tunnel    `json:"tunnels,omitempty"`
	Sent    []FleetSent `json:"sent,omitempty"`
}

// FleetState is how the box and its hub are connected.
type FleetState uint8

const (
	FleetOff        FleetState = iota // shut down, or not complete
	FleetConnecting                   // it tries
	FleetConnected
	FleetWaiting // an attempt has failed, the next one comes at Next
	FleetRefused // the hub does not know the key, or has revoked it; it is tried again all the same
)

var fleetStates = words{"off", "connecting", "connected", "waiting", "refused"}

func (s FleetState) String() string               { return fleetStates.text(uint8(s)) }
func (s FleetState) MarshalText() ([]byte, error) { return fleetStates.marshal(uint8(s)) }
func (s *FleetState) UnmarshalText(text []byte) error {
	return fleetStates.unmarshal(text, (*uint8)(s))
}

// PoolLease is what the box has of one kind of license from the hub's pool.
type PoolLease struct {
	Kind  string         `json:"kind"`
	State PoolLeaseState `json:"state"`
	Count int            `json:"count"`          // in force now
	Want  int            `json:"want"`           // asked for
	Min   int            `json:"min"`            // kept for the box
	Max   int            `json:"max"`            // that it may have
	Until time.Time      `json:"until,omitzero"` // the lease ends; then grace begins when the hub is away
	Grace time.Time      `json:"grace,omitzero"` // until then it holds without the hub
	Why   string         `json:"why,omitempty"`  // it does not have what it wants
}

// PoolLeaseState is how a lease stands.
type PoolLeaseState uint8

const (
	PoolLeaseNone   PoolLeaseState = iota // there is none
	PoolLeaseHeld                         // within its time
	PoolLeaseGrace                        // over, while the hub is away: it holds for 30 days
	PoolLeaseLapsed                       // over for good, until the hub gives a new one
)

var poolLeaseStates = words{"none", "held", "grace", "lapsed"}

func (s PoolLeaseState) String() string               { return poolLeaseStates.text(uint8(s)) }
func (s PoolLeaseState) MarshalText() ([]byte, error) { return poolLeaseStates.marshal(uint8(s)) }
func (s *PoolLeaseState) UnmarshalText(text []byte) error {
	return poolLeaseStates.unmarshal(text, (*uint8)(s))
}

// Tunnel is a connection of an operator of the hub to the box.
type Tunnel struct {
	Operator string    `json:"operator"`
	Service  string    `json:"service"` // ssh, https
	Since    time.Time `json:"since"`
	Idle     time.Time `json:"idle"` // since when nothing has passed
	In       int64     `json:"in"`   // octets to the box
	Out      int64     `json:"out"`
}

// FleetSent is how far the hub has one kind of what the box sends.
type FleetSent struct {
	What    string    `json:"what"`              // alarms, call-records
	Waiting int64     `json:"waiting"`           // octets that it does not have yet
	Last    time.Time `json:"last,omitzero"`     // when it took some last
	Lost    bool      `json:"lost,omitempty"`    // some were deleted before they were sent, since it had all
	Refused uint64    `json:"refused,omitempty"` // single ones that it would not take
	Failing string    `json:"failing,omitempty"` // why it takes none
}
