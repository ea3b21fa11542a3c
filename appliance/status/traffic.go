package status

import (
	"time"
)

// Traffic is what calls have come and gone in a time.
type Traffic struct {
	Since      time.Time          `json:"since"`
	Calls      int                `json:"calls"`
	Answered   int                `json:"answered"`
	Most       int                `json:"most"` // calls in progress at once, as the licenses count them
	Talk       time.Duration      `json:"talk_ns"`
	Emergency  int                `json:"emergency,omitempty"`
	OneWay     int                `json:"one_way,omitempty"` // answered calls in which one side was not heard
	Failed     []Failure          `json:"failed,omitempty"`  // what calls ended with that were not answered, the most frequent first
	Interfaces []InterfaceTraffic `json:"interfaces,omitempty"`
}

// Failure is a way in which calls fail. Outcome is set for destinations that were tried, and empty for calls as a whole.
type Failure struct {
	Outcome Outcome `json:"outcome,omitempty"`
	Code    int     `json:"code,omitempty"` // SIP status; 0: no answer
	N       int     `json:"n"`
}

// InterfaceTraffic are the calls of a SIP interface in one direction.
type InterfaceTraffic struct {
	Interface string    `json:"interface"`
	Outgoing  bool      `json:"outgoing"` // calls to the peer: each destination that was tried counts
	Calls     int       `json:"calls"`
	Answered  int       `json:"answered"`
	Failed    []Failure `json:"failed,omitempty"`
	MOS       float64   `json:"mos,omitempty"` // mean of the peer's voice in answered calls; 0: unknown
	Unheard   int       `json:"unheard,omitempty"`
}

// TrafficTotals are the calls since the start, for counters and histograms.
type TrafficTotals struct {
	Calls      int                `json:"calls"`
	Answered   int                `json:"answered"`
	OneWay     int                `json:"one_way"`
	SetUp      Histogram          `json:"set_up"` // seconds from the INVITE to the answer
	Interfaces []InterfaceTraffic `json:"interfaces,omitempty"`
	MOS        []InterfaceMOS     `json:"mos,omitempty"`
}

// InterfaceMOS is how the voice of an interface's peer was, call by call.
type InterfaceMOS struct {
	Interface string    `json:"interface"`
	MOS       Histogram `json:"mos"`
}

// Histogram counts values by size.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper, ascending
	Counts []int     `json:"counts"` // one for each bound, and one for what is above all of them
	Sum    float64   `json:"sum"`
}

// Trend is how the box did over the last day.
type Trend struct {
	Since  time.Time     `json:"since,omitzero"` // the first look after the start; zero: there was none yet
	Every  time.Duration `json:"every_ns"`       // what a point stands for
	Points []TrendPoint  `json:"points"`         // the oldest first; nothing was seen in a gap between two
}

// TrendPoint is how the box did in some minutes. Numbers are those of the worst moment in them.
type TrendPoint struct {
	At           time.Time `json:"at"`           // it begins
	Calls        int       `json:"calls"`        // most in progress at once
	Begun        int       `json:"begun"`        // calls
	Failed       int       `json:"failed"`       // calls that ended without an answer
	Sessions     int       `json:"sessions"`     // most licenses sip-sessions in use
	Channels     int       `json:"channels"`     // most licenses srtp-channels in use
	Registered   int       `json:"registered"`   // fewest identities
	Unregistered int       `json:"unregistered"` // most identities
	PeersUp      int       `json:"peers_up"`     // fewest peers that answer
	PeersDown    int       `json:"peers_down"`   // most peers that are silent or refuse
	CPU          float64   `json:"cpu_percent"`  // of all processors, the mean
	CPUMost      float64   `json:"cpu_most_percent"`
	Memory       uint64    `json:"memory_bytes"`   // most in use by sbcd
	RAMFree      uint64    `json:"ram_free_bytes"` // least of the whole machine
}

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
