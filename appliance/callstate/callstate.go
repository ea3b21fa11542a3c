// Package callstate is how far a call, and a transfer in it, has come: their state diagrams.
//
// It owns the states, which may follow which, and what each means for others. It does not own what a step does (package call). It has no
// goroutines.
package callstate

import (
	"fmt"
	"slices"

	"viaduct/appliance/giveway"
	"viaduct/appliance/status"
)

// State is how far a call has come. It is in one at a time; states says what each means and which may follow.
type State uint8

const (
	Routing State = iota
	Alerted
	Ringing
	EarlyMedia
	Announced
	Listening
	Answered
	Connected
	Held
	Ended
)

// stateInfo is what there is to know of a state.
type stateInfo struct {
	name, meaning  string
	next           []State
	caller, callee bool             // has been answered, has answered
	stage          giveway.Stage    // what other calls see
	shown          status.CallState // what an operator sees
}

// states is the state diagram of a call; docs/architecture.md holds the same table.
var states = [...]stateInfo{
	Routing: {
		name: "routing", meaning: "it is routed and hunted through its destinations; none has rung", next: []State{Alerted, Answered, Ended},
	},
	Alerted: {
		name: "alerted", meaning: "the callee has got 18x, and nothing is tried after it; the caller does not hear ringing yet",
		next: []State{Ringing, EarlyMedia, Announced, Answered, Ended},
	},
	Ringing: {
		name: "ringing", meaning: "the caller has got 180", next: []State{EarlyMedia, Announced, Answered, Ended}, shown: status.CallRinging,
	},
	EarlyMedia: {
		name: "early media", meaning: "the caller has got 183 with our answer: it hears the callee, or our ringing tone",
		next: []State{Answered, Ended}, shown: status.CallRinging,
	},
	Announced: {
		name: "announced", meaning: "the caller is answered before the callee answers (`early-connect`); its ACK has not come",
		next: []State{Listening, Answered, Ended}, caller: true, stage: giveway.Unacknowledged, shown: status.CallConnected,
	},
	Listening: {
		name: "listening", meaning: "the same with its ACK", next: []State{Connected, Ended}, caller: true, stage: giveway.Talking, shown: status.CallConnected,
	},
	Answered: {
		name: "answered", meaning: "both sides are answered; the caller's ACK has not come",
		next: []State{Connected, Ended}, caller: true, callee: true, stage: giveway.Unacknowledged, shown: status.CallConnected,
	},
	Connected: {
		name: "connected", meaning: "the two talk", next: []State{Held, Ended}, caller: true, callee: true, stage: giveway.Talking, shown: status.CallConnected,
	},
	Held: {
		name: "held", meaning: "a side has put the other on hold", next: []State{Connected, Ended},
		caller: true, callee: true, stage: giveway.Talking, shown: status.CallHeld,
	},
	Ended: {name: "ended", meaning: "legs, ports and licenses are given back"},
}

func (s State) String() string { return states[s].name }

// May reports whether a state may follow.
func (s State) May(next State) bool { return slices.Contains(states[s].next, next) }

// Caller and Callee report whether that one has been answered, or has answered. Of a call that has ended neither is said.
func (s State) Caller() bool { return states[s].caller }
func (s State) Callee() bool { return states[s].callee }

// Stage is what other calls see, Shown what an operator sees.
func (s State) Stage() giveway.Stage    { return states[s].stage }
func (s State) Shown() status.CallState { return states[s].shown }

// Explain says what the state means.
func (s State) Explain() string { return states[s].meaning }

// MarshalText and UnmarshalText write a state by its name, for logs and for another box.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *State) UnmarshalText(text []byte) error {
	n := slices.IndexFunc(states[:], func(i stateInfo) bool { return i.name == string(text) })
	if n < 0 {
		return fmt.Errorf("no state of a call: %q", text)
	}
	*s = State(n)
	return nil
}

// Target is how far the new peer of a transfer has come.
type Target uint8

const (
	TargetCalled     Target = iota // it has said nothing that rings; the next destination may be tried
	TargetAlerted                  // it has got 18x, and nothing is tried after it
	TargetHeard                    // the transferee has been turned from the old peer to it
	TargetRinging                  // and hears our ringing tone
	TargetSpeaking                 // and hears its voice
	CallsJoined                    // it is the peer of another call, which is asked to be joined with this one
	CallsJoinedAgain               // once more, after a side has changed its codec
)

// targets is the state diagram of a transfer.
var targets = [...]struct {
	name string
	next []Target
}{
	TargetCalled:     {"called", []Target{TargetAlerted, CallsJoined}},
	TargetAlerted:    {"alerted", []Target{TargetHeard}},
	TargetHeard:      {"heard", []Target{TargetRinging, TargetSpeaking}},
	TargetRinging:    {"ringing", []Target{TargetHeard, TargetSpeaking}},
	TargetSpeaking:   {"speaking", nil},
	CallsJoined:      {"joined", []Target{CallsJoinedAgain}},
	CallsJoinedAgain: {"joined again", nil},
}

func (t Target) String() string { return targets[t].name }

// May reports whether a state may follow.
func (t Target) May(next Target) bool { return slices.Contains(targets[t].next, next) }

// Heard reports whether the transferee has been turned to the new peer.
func (t Target) Heard() bool { return t >= TargetHeard && t <= TargetSpeaking }
