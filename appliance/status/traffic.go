package status

import "time"

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
