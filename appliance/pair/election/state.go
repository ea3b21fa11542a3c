package election

import (
	"slices"
	"time"

	"viaduct/appliance/pair"
	"viaduct/appliance/status"
)

// State is how far a box has come. states says what each means and which may follow.
type State uint8

const (
	Joining State = iota
	Standby
	Active
	Switching
	Yielding
	Pausing
	Defeated
)

// states is the state diagram of a box; docs/architecture.md holds the same table.
var states = [...]struct {
	name, meaning string
	next          []State
	role          pair.Role
	shown         status.PairState
}{
	Joining: {
		name: "joining", meaning: "it listens, and takes over what the other box has", next: []State{Standby, Active}, shown: status.PairJoining,
	},
	Standby: {
		name: "standby", meaning: "it takes over when the other box is silent or yields", next: []State{Active, Joining}, shown: status.PairStandby,
	},
	Active: {
		name: "active", meaning: "it has the addresses and the calls", next: []State{Switching, Pausing, Defeated, Joining}, role: pair.Active, shown: status.PairActive,
	},
	Switching: {
		name: "switching", meaning: "it is active, and gets its calls ready for the other box", next: []State{Yielding, Active, Pausing, Defeated, Joining},
		role: pair.Active, shown: status.PairSwitching,
	},
	Yielding: {
		name: "yielding", meaning: "it has given up, and waits for the other box to take over", next: []State{Joining, Active, Pausing}, shown: status.PairSwitching,
	},
	Pausing: {
		name: "pausing", meaning: "it stood still, keeps its calls, and listens whether the other box has taken over", next: []State{Joining, Active}, shown: status.PairSwitching,
	},
	Defeated: {
		name: "defeated", meaning: "the other box was active too, and goes on", next: []State{Joining}, shown: status.PairDefeated,
	},
}

func (s State) String() string { return states[s].name }

// Explain says what the state means.
func (s State) Explain() string { return states[s].meaning }

// Shown is what an operator sees.
func (s State) Shown() status.PairState { return states[s].shown }

// Change is a step from one state to another.
type Change struct {
	From, To State
	Why      string // as the end of a sentence
}

// Possible reports whether the table of states has the step. Another one is a fault of this package.
func (c Change) Possible() bool { return slices.Contains(states[c.From].next, c.To) }

// become takes the box to its next state.
func (e *Election) become(now time.Time, to State, why string) {
	from := e.state
	e.changes = append(e.changes, Change{from, to, why})
	e.state, e.since, e.why = to, now, why
	e.urges, e.handed, e.asked = urges{}, nil, ""
	if to == Active && states[from].role != pair.Active {
		e.reign = Reign{e.reign.Number + 1, true}
		e.fast, e.contest = false, contest{}
		if e.doubts > 0 { // it may have been wrong: the witness is to answer once more before it is believed
			for i := range e.ports {
				e.ports[i].answered = false
			}
		}
	}
	if states[to].role != pair.Active {
		e.alone = false
	}
	if to == Joining && from != Defeated {
		e.listens.waits = now
	}
	if to == Defeated {
		e.listens = ear{since: now, waits: now}
	}
}
