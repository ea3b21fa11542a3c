// Package route decides where a call goes: mapping tables, complex functions, routing tables and hunt groups of a configuration, as
// pure functions with a trace.
package route

import (
	"time"

	"viaduct/appliance/config"
)

// Call holds the properties of a call.
type Call struct {
	CalledE164, CallingE164 string
	CalledURI, CallingURI   string
	CalledName, CallingName string
	CalledIP, CallingIP     string
	CallingPI, CallingSI    string
	Time                    time.Time
}

// Get returns a property; "" when the call has no such property.
func (c *Call) Get(p config.Property) string { return "" }

// Set writes a property; one that a call does not have is ignored.
func (c *Call) Set(p config.Property, v string) {}

// Attempt is one outgoing call to be tried.
type Attempt struct {
	Interface string
	Call      Call
	Timeout   time.Duration     // go on to the next attempt when nothing at all was heard for so long; 0: never
	Written   []config.Property // properties that a mapping wrote, in order of Call's fields
}

// Step is one thing that happened on the way.
type Step struct {
	Table, Entry, Action, Before, After string
}

// String returns one readable line.
func (s Step) String() string { return "" }

// Plan is what to do with a call.
type Plan struct {
	Attempts []Attempt
	Hunt     *config.HuntGroup
	Trace    []Step
}

// Hunts reports whether a failed attempt with this Q.850 cause goes on to the next.
func (p *Plan) Hunts(cause int) bool { return false }

// Next returns the index of the attempt that follows attempt i, which failed with a Q.850 cause.
func (p *Plan) Next(i, cause int) (int, bool) { return 0, false }

// Timeout returns the hunt group's timeout.
func (p *Plan) Timeout() time.Duration { return 0 }

// Rotate turns cyclic hunt groups: turn returns how many calls a group has had.
func (p *Plan) Rotate(turn func(group string) int) {}

// Error says why a call is not routed.
type Error struct {
	Cause int
	Text  string
	Trace []Step
}

func (e *Error) Error() string { return e.Text }

// New plans the call that came in on SIP interface from.
func New(cfg *config.Config, from string, call Call) (*Plan, error) { return &Plan{}, nil }

// DryRun plans a call that begins at start.
func DryRun(cfg *config.Config, start config.Dest, call Call) (*Plan, error) { return &Plan{}, nil }

// CauseFromSIP returns the Q.850 cause of a final SIP response.
func CauseFromSIP(code int) int { return 0 }

// SIPFromCause returns the SIP response for a Q.850 cause.
func SIPFromCause(cause int) int { return 0 }
