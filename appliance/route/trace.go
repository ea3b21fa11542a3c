package route

import (
	"fmt"
	"strings"
)

// Actions of a Step.
const (
	ActionGo     = "go"     // After says where to
	ActionSet    = "set"    // a mapping wrote a property
	ActionRun    = "run"    // After names the function
	ActionNone   = "none"   // no key matches
	ActionKept   = "kept"   // a key matches, but its value is not written; After says why
	ActionCall   = "call"   // an attempt: After is the called number or URI
	ActionReject = "reject" // After says why
)

// Step is one thing that happened on the way of a call.
type Step struct {
	Table  string // where: "mapping-table mt_x", "routing-table rt_x", "interface if_x", "service hg_x"
	Entry  string // the line that decided: "map KEY to VALUE", "route default"; empty when none did
	Action string // one of the constants above
	Before string // "PROPERTY VALUE" that was looked at; may be empty
	After  string // "PROPERTY VALUE" that was written, or where the call goes
}

// String returns one readable line.
func (s Step) String() string {
	var b strings.Builder
	b.WriteString(s.Table)
	if s.Before != "" {
		fmt.Fprint(&b, ": ", s.Before)
	}
	if s.Entry != "" {
		fmt.Fprintf(&b, ": %s", s.Entry)
	}
	switch s.Action {
	case ActionNone:
		b.WriteString(": no key matches, unchanged")
	case ActionKept:
		fmt.Fprint(&b, ": unchanged, ", s.After)
	case ActionReject:
		fmt.Fprint(&b, ": rejected, ", s.After)
	case ActionRun:
		fmt.Fprint(&b, ": runs ", s.After)
	case ActionCall:
		fmt.Fprint(&b, ": calls ", s.After)
	default:
		fmt.Fprint(&b, " => ", s.After)
	}
	return b.String()
}
