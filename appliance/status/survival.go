package status

import "time"

// Survival is a `survival` of a context cs: whether calls take other ways because a peer is gone.
type Survival struct {
	Name   string          `json:"name"`            // PBX, or CONTEXT/PBX
	Watch  string          `json:"watch"`           // the SIP interface
	State  SurvivalState   `json:"state"`           //
	Since  time.Time       `json:"since"`           // in this state
	Next   time.Time       `json:"next,omitzero"`   // while it is losing: the other ways begin; returning: they end, if the peer stays as it is
	Active time.Time       `json:"active,omitzero"` // calls have gone the other ways since then; zero: they do not
	Why    string          `json:"why,omitempty"`   // why the peer is gone, as the end of a sentence about it
	Times  int             `json:"times"`           // how often calls have begun to go the other ways, since the start
	Routes []SurvivalRoute `json:"routes"`
}

// SurvivalRoute is another way for calls.
type SurvivalRoute struct {
	From string `json:"from"`          // the SIP interface that they come in by
	To   string `json:"to"`            // "service PHONES", "interface IF_TEAMS", "table RT"
	Over string `json:"over,omitzero"` // the survival that is in force as well, has a way for that interface, too, and stands before this one; "": none
}

// SurvivalState is how far a peer is lost, or back.
type SurvivalState uint8

const (
	SurvivalUnknown   SurvivalState = iota // nothing is known of the peer yet
	SurvivalWell                           // it is there
	SurvivalLosing                         // it is gone, not for long yet: calls go their usual ways
	SurvivalLost                           // it is gone: calls go the other ways
	SurvivalReturning                      // it is there, not for long yet: new calls still go the other ways
)

var survivalStates = words{"unknown", "well", "losing", "lost", "returning"}

// InForce reports whether new calls go the other ways.
func (s SurvivalState) InForce() bool { return s == SurvivalLost || s == SurvivalReturning }

func (s SurvivalState) String() string               { return survivalStates.text(uint8(s)) }
func (s SurvivalState) MarshalText() ([]byte, error) { return survivalStates.marshal(uint8(s)) }
func (s *SurvivalState) UnmarshalText(text []byte) error {
	return survivalStates.unmarshal(text, (*uint8)(s))
}
