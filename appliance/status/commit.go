package status

import "time"

// Author is who has changed something: an account, and the terminal.
type Author struct {
	Account string `json:"account,omitempty"` // "" is somebody at the box, or the box itself
	From    string `json:"from,omitempty"`
}

// String names an author as messages to others do.
func (a Author) String() string {
	name := a.Account
	if name == "" {
		name = "somebody at the box"
	}
	if a.From != "" {
		name += " (" + a.From + ")"
	}
	return name
}

// Commit is a change of the running configuration that goes back unless it is confirmed.
type Commit struct {
	State  CommitState `json:"state"`
	By     Author      `json:"by"`
	Since  time.Time   `json:"since,omitzero"`
	Until  time.Time   `json:"until,omitzero"`   // it goes back then
	Left   float64     `json:"left_s,omitempty"` // seconds until then: the clocks of others may be wrong
	Others []Author    `json:"others,omitempty"` // who has changed something meanwhile, which would go back as well
	// Ended says how the one before ended, since the start.
	Ended *CommitEnd `json:"ended,omitempty"`
}

// CommitEnd is how such a change has ended.
type CommitEnd struct {
	How     CommitState `json:"how"` // confirmed, taken back or timed out
	Change  Author      `json:"change"`
	By      Author      `json:"by"` // who confirmed it or took it back
	Time    time.Time   `json:"time"`
	Ordered time.Time   `json:"ordered"`
}

// CommitState is a state of such a change, or how it ended.
type CommitState uint8

const (
	NoCommit  CommitState = iota // there is none
	Pending                      // it waits to be confirmed
	Returning                    // the configuration before it is just being put back
	Confirmed                    // it stays
	TakenBack                    // somebody has taken it back
	TimedOut                     // it went back, because nobody confirmed it
)

var commitStates = words{"none", "pending", "returning", "confirmed", "taken back", "timed out"}

func (s CommitState) String() string               { return commitStates.text(uint8(s)) }
func (s CommitState) MarshalText() ([]byte, error) { return commitStates.marshal(uint8(s)) }

func (s *CommitState) UnmarshalText(text []byte) error {
	return commitStates.unmarshal(text, (*uint8)(s))
}

// Changed is when the running configuration was changed last, and by whom.
type Changed struct {
	By   Author    `json:"by"`
	Time time.Time `json:"time,omitzero"` // zero: not since the start
}

// SavedConfig is a configuration in a file.
type SavedConfig struct {
	Name  string    `json:"name"` // startup-config, startup-config.1 ...
	Saved time.Time `json:"saved"`
	Size  int64     `json:"octets"`
}
