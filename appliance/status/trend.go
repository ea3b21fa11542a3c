package status

import "time"

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
