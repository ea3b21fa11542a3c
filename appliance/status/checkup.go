package status

import "time"

// Checkup is the outcome of `check teams`, `check pbx`, `check all` or `check federation`.
type Checkup struct {
	Of      string      `json:"of"` // "teams", "pbx", "all", "federation example.com"
	Started time.Time   `json:"started,omitzero"`
	Ended   time.Time   `json:"ended,omitzero"`
	Steps   []CheckStep `json:"steps"` // in their order: a step comes after those that it depends on
}

// CheckStep is one step of a check, for one subject.
type CheckStep struct {
	ID      string        `json:"id"`                // of the step: "tls"
	Subject string        `json:"subject,omitempty"` // "sip2.pstnhub.microsoft.com"; "": the box
	Title   string        `json:"title"`             // "TLS with sip2.pstnhub.microsoft.com"
	State   CheckState    `json:"state"`
	Because string        `json:"because,omitempty"` // the title of the step that failed before this one, which was skipped
	Seen    []string      `json:"seen,omitempty"`    // addresses, names, codes, times
	Problem string        `json:"problem,omitempty"` // what is wrong
	Advice  string        `json:"advice,omitempty"`  // the cure in words, for the administrator of the box, of the network or of the tenant
	Cure    []string      `json:"cure,omitempty"`    // the cure as lines to paste
	Took    time.Duration `json:"took_ns,omitempty"`
}

// CheckState is the outcome of a step.
type CheckState uint8

const (
	CheckOK CheckState = iota
	CheckWarning
	CheckFailed
	CheckSkipped // a step that it depends on has failed
)

var checkStates = words{"ok", "warning", "failed", "skipped"}

func (s CheckState) String() string               { return checkStates.text(uint8(s)) }
func (s CheckState) MarshalText() ([]byte, error) { return checkStates.marshal(uint8(s)) }

func (s *CheckState) UnmarshalText(text []byte) error {
	return checkStates.unmarshal(text, (*uint8)(s))
}
