package status

import (
	"net/netip"
	"time"
)

// Clock is the time and its source.
type Clock struct {
	Now        time.Time     `json:"now"`
	Enabled    bool          `json:"enabled"` // sntp-client
	Synced     bool          `json:"synced"`
	Server     string        `json:"server,omitempty"` // that is followed
	Stratum    int           `json:"stratum,omitempty"`
	Offset     time.Duration `json:"offset_ns"`         // at the last accepted answer
	Last       time.Time     `json:"last,omitzero"`     // accepted answer
	Adjustable bool          `json:"adjustable"`        // the box may set the clock
	Drift      float64       `json:"drift_ppm"`         // by which the clock is made faster; 0: unknown
	Interval   time.Duration `json:"interval_ns"`       // between queries
	Next       time.Time     `json:"next,omitzero"`     // query; zero: none is to come
	Servers    []TimeServer  `json:"servers,omitempty"` // one for each address
	Error      string        `json:"error,omitempty"`
}

// TimeServer is one address of a configured time server.
type TimeServer struct {
	Role     string         `json:"role"` // "primary", ... of the configuration
	Host     string         `json:"host"`
	Address  netip.AddrPort `json:"address,omitzero"` // not valid: the name does not resolve
	Stratum  int            `json:"stratum,omitempty"`
	Offset   time.Duration  `json:"offset_ns"`
	Distance time.Duration  `json:"distance_ns"`   // by how much Offset may be wrong
	Last     time.Time      `json:"last,omitzero"` // valid answer
	Used     bool           `json:"used"`          // it agreed with the majority
	Error    string         `json:"error,omitempty"`
}
