package call

import (
	"fmt"
	"slices"

	"viaduct/appliance/media"
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
	stage          stage            // what other calls see
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
		next: []State{Listening, Answered, Ended}, caller: true, stage: unacknowledged, shown: status.CallConnected,
	},
	Listening: {
		name: "listening", meaning: "the same with its ACK", next: []State{Connected, Ended}, caller: true, stage: talking, shown: status.CallConnected,
	},
	Answered: {
		name: "answered", meaning: "both sides are answered; the caller's ACK has not come",
		next: []State{Connected, Ended}, caller: true, callee: true, stage: unacknowledged, shown: status.CallConnected,
	},
	Connected: {
		name: "connected", meaning: "the two talk", next: []State{Held, Ended}, caller: true, callee: true, stage: talking, shown: status.CallConnected,
	},
	Held: {
		name: "held", meaning: "a side has put the other on hold", next: []State{Connected, Ended},
		caller: true, callee: true, stage: talking, shown: status.CallHeld,
	},
	Ended: {name: "ended", meaning: "legs, ports and licenses are given back"},
}

func (s State) String() string { return states[s].name }

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

// impossible is what the log says of a step that the table does not have. It is a fault of ours, and tests fail on it.
const impossible = "impossible step of a call"

// become takes the call to its next state. A call that has ended stays ended.
func (c *call) become(to State) {
	from := c.state
	if !slices.Contains(states[from].next, to) {
		c.log.Error(impossible, "from", from.String(), "to", to.String())
		if from == Ended {
			return
		}
	}
	c.state = to
	if s := states[to].stage; s > states[from].stage {
		c.reached(s)
	}
	c.tellLamps()
}

// ended reports whether the call has ended: what comes late must not touch it.
func (c *call) ended() bool { return c.state == Ended }

// up reports whether a side has answered, or was.
func (c *call) up(s *side) bool {
	if s.which == media.A {
		return states[c.state].caller
	}
	return states[c.state].callee
}

// acknowledged is the caller's ACK.
func (c *call) acknowledged() {
	switch c.state {
	case Announced:
		c.become(Listening)
	case Answered:
		c.become(Connected)
		c.noteHold()
	}
}

// noteHold follows what the sides have agreed about hold.
func (c *call) noteHold() {
	switch held := c.held(); {
	case held && c.state == Connected:
		c.become(Held)
		c.record.Holds++
		c.record.Pause()
	case !held && c.state == Held:
		c.become(Connected)
		c.record.Talk()
	}
}

// target is how far the new peer of a transfer has come.
type target uint8

const (
	targetCalled     target = iota // it has said nothing that rings; the next destination may be tried
	targetAlerted                  // it has got 18x, and nothing is tried after it
	targetHeard                    // the transferee has been turned from the old peer to it
	targetRinging                  // and hears our ringing tone
	targetSpeaking                 // and hears its voice
	callsJoined                    // it is the peer of another call, which is asked to be joined with this one
	callsJoinedAgain               // once more, after a side has changed its codec
)

// targets is the state diagram of a transfer.
var targets = [...]struct {
	name string
	next []target
}{
	targetCalled:     {"called", []target{targetAlerted, callsJoined}},
	targetAlerted:    {"alerted", []target{targetHeard}},
	targetHeard:      {"heard", []target{targetRinging, targetSpeaking}},
	targetRinging:    {"ringing", []target{targetHeard, targetSpeaking}},
	targetSpeaking:   {"speaking", nil},
	callsJoined:      {"joined", []target{callsJoinedAgain}},
	callsJoinedAgain: {"joined again", nil},
}

func (t target) String() string { return targets[t].name }

// heard reports whether the transferee has been turned to the new peer.
func (t target) heard() bool { return t >= targetHeard && t <= targetSpeaking }

// becomeTarget takes a transfer to its next state.
func (c *call) becomeTarget(t *transfer, to target) {
	if !slices.Contains(targets[t.state].next, to) {
		c.log.Error(impossible, "from", "transfer "+t.state.String(), "to", to.String())
	}
	t.state = to
}
