package call

import (
	"viaduct/appliance/refusal"
	"viaduct/appliance/status"
)

const maxTries = 3 // calls that one asks to give way, see package giveway

// makeRoom takes what the call needs. While that fails it has other calls give way. Then it goes on, with the error if there is no
// room.
func (c *call) makeRoom(take func() error, then func(error), tries int) {
	if c.ended() {
		return // cancelled meanwhile
	}
	err := take()
	if err == nil || tries == 0 {
		then(err)
		return
	}
	id := c.m.room.For(c.id)
	if id == "" {
		then(err)
		return
	}
	again := func() { c.Post(func() { c.makeRoom(take, then, tries-1) }) }
	c.m.mu.Lock()
	victim := c.m.calls[id]
	c.m.mu.Unlock()
	if victim == nil || !victim.Post(func() { victim.giveWay(); again() }) {
		again() // it has ended by itself
	}
}

// giveWay ends the call in favour of another. A call that has come further since it was chosen stays.
func (c *call) giveWay() {
	if c.m.room.Leaves(c.id) && !c.ended() {
		c.log.Warn("call gave way to another", "if", c.a.Interface.ID())
		c.hangUp(nil, refusal.Q850(refusal.ResourcesUnavailable)+`;text="gave way"`, status.ByBox)
	}
}
