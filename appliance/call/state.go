package call

import (
	"viaduct/appliance/callstate"
	"viaduct/appliance/media"
)

// impossible is what the log says of a step that the table does not have. It is a fault of ours, and tests fail on it.
const impossible = "impossible step of a call"

// become takes the call to its next state. A call that has ended stays ended.
func (c *call) become(to callstate.State) {
	from := c.state
	if !from.May(to) {
		c.log.Error(impossible, "from", from.String(), "to", to.String())
		if from == callstate.Ended {
			return
		}
	}
	c.state = to
	c.m.room.Reached(c.id, to.Stage())
	c.changed()
	c.tellLamps()
}

// ended reports whether the call has ended: what comes late must not touch it.
func (c *call) ended() bool { return c.state == callstate.Ended }

// up reports whether a side has answered, or was.
func (c *call) up(s *side) bool {
	if s.Which == media.A {
		return c.state.Caller()
	}
	return c.state.Callee()
}

// acknowledged is the caller's ACK.
func (c *call) acknowledged() {
	switch c.state {
	case callstate.Announced:
		c.become(callstate.Listening)
	case callstate.Answered:
		c.become(callstate.Connected)
		c.noteHold()
	}
}

// noteHold follows what the sides have agreed about hold.
func (c *call) noteHold() {
	switch held := c.held(); {
	case held && c.state == callstate.Connected:
		c.become(callstate.Held)
		c.record.Holds++
		c.record.Pause()
	case !held && c.state == callstate.Held:
		c.become(callstate.Connected)
		c.record.Talk()
	}
}

// becomeTarget takes a transfer to its next state.
func (c *call) becomeTarget(t *transfer, to callstate.Target) {
	if !t.state.May(to) {
		c.log.Error(impossible, "from", "transfer "+t.state.String(), "to", to.String())
	}
	t.state = to
}
