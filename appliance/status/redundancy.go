package status

import "time"

// Redundancy is the box as one of a pair.
type Redundancy struct {
	State       PairState         `json:"state"`
	Since       time.Time         `json:"since,omitzero"`
	Why         string            `json:"why,omitempty"` // it is in this state, as the end of a sentence
	Router      uint8             `json:"virtual_router,omitempty"`
	Key         string            `json:"key"`           // SHA-256 of the box's own public key, 64 hex digits; "": none could be made
	Box         uint8             `json:"box,omitempty"` // its number; 0: its key is not in the configuration
	Priority    uint8             `json:"priority,omitempty"`
	Reign       uint64            `json:"reign,omitempty"` // takeovers of the pair so far
	Ports       []PairPort        `json:"ports,omitempty"`
	Other       PairOther         `json:"other"`
	Replication PairReplication   `json:"replication"`
	Differences []PairDifference  `json:"differences,omitempty"`
	Switches    []PairRoleChanged `json:"switches,omitempty"` // the last ones, the newest first
}

// Protected reports whether the standby, be it this box or the other one, could take over now.
func (r Redundancy) Protected() bool {
	switch r.State {
	case PairStandby:
		return true
	case PairActive, PairSwitching:
		return r.Other.Eligible
	}
	return false
}

// PairState is how a box stands in its pair.
type PairState uint8

const (
	PairOff       PairState = iota // no `redundancy`, or shut down
	PairUnready                    // the pair is not complete, or the box is neither of its two: it stays out
	PairJoining                    // it looks for the other box, or takes over what that has: it cannot become active yet
	PairStandby                    // it can take over at any time
	PairActive                     // it has the virtual addresses
	PairSwitching                  // it is active, and is about to hand over
	PairDefeated                   // it was active beside the other box, and has given up
)

var pairStates = words{"off", "unready", "joining", "standby", "active", "switching", "defeated"}

func (s PairState) String() string               { return pairStates.text(uint8(s)) }
func (s PairState) MarshalText() ([]byte, error) { return pairStates.marshal(uint8(s)) }
func (s *PairState) UnmarshalText(text []byte) error {
	return pairStates.unmarshal(text, (*uint8)(s))
}

// PairPort is one of the pair's ports.
type PairPort struct {
	Name    string    `json:"name"`   // of the IP interface
	Device  string    `json:"device"` // of the kernel
	Direct  bool      `json:"direct,omitempty"`
	Virtual []string  `json:"virtual,omitempty"` // addresses of the pair there
	Own     string    `json:"own"`
	Others  string    `json:"others"` // the other box's own address
	Held    bool      `json:"held"`   // the box has the virtual addresses
	Carrier bool      `json:"carrier"`
	Witness string    `json:"witness"` // none, heard, silent
	Asked   string    `json:"asked,omitempty"`
	Heard   time.Time `json:"heard,omitzero"`    // the other box's VRRP last; the standby sends none
	There   bool      `json:"there,omitempty"`   // the other box hears that of this one
	Why     string    `json:"why,omitempty"`     // something is wrong there, as the end of a sentence
	Foreign uint64    `json:"foreign,omitempty"` // VRRP packets with the pair's number from others, which were not obeyed
}

// PairOther is the other box, by its own word.
type PairOther struct {
	Box      uint8     `json:"box,omitempty"`
	Serial   string    `json:"serial,omitempty"`
	Release  string    `json:"release,omitempty"`
	Role     string    `json:"role,omitempty"` // active, standby; "": nothing was ever heard of it
	Eligible bool      `json:"eligible,omitempty"`
	Priority uint8     `json:"priority,omitempty"`
	Calls    int       `json:"calls,omitempty"`
	Heard    time.Time `json:"heard,omitzero"` // last, on any path
	Linked   bool      `json:"linked"`         // the direct path carries what the boxes copy
	Why      string    `json:"why,omitempty"`  // it does not, as the end of a sentence
}

// PairReplication is how far the standby has what the active box has. Both boxes show it, each from its own side.
type PairReplication struct {
	Synced  bool           `json:"synced"`
	Why     string         `json:"why,omitempty"`     // this box could not take over, although all has come: the end of a sentence
	Entries map[string]int `json:"entries,omitempty"` // by what they are: call, file, phone, ...
	Octets  int64          `json:"octets,omitempty"`
	Last    time.Time      `json:"last,omitzero"`     // when something was copied
	Refused uint64         `json:"refused,omitempty"` // entries that were too large or too many
}

// PairDifference is something that both boxes should have alike.
type PairDifference struct {
	What  string `json:"what"` // configuration, certificates and keys, licenses, license authorities, calendar, built-in roots, firmware
	Here  string `json:"here"` // its sum, or its value where that says more; "": missing
	There string `json:"there"`
}

// PairRoleChanged is a change of who is active.
type PairRoleChanged struct {
	At    time.Time `json:"at"`
	Role  string    `json:"role"` // that the box took
	Why   string    `json:"why"`  // as the end of a sentence
	Calls int       `json:"calls"`
}
