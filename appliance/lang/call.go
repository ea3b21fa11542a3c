package lang

import (
	"viaduct/appliance/cli"
	"viaduct/appliance/lang/command"
)

// call is the execution of one line. It is the place in which a command finds the session.
type call struct {
	command.Call
	lang    *Language
	at      cursor // where the session stands; a command may move it
	object  string // named by a prompt that was copied along with the line
	instead bool   // the line replaces one of another generation
}

// Level returns the stage of the session.
func (c *call) Level() command.Level { return c.at.level }

// Move goes to a level, outside of all blocks.
func (c *call) Move(to command.Level) { c.at = cursor{level: to} }

// Leave leaves the innermost block; false: there is none.
func (c *call) Leave() bool {
	switch {
	case c.at.out != nil:
		c.at.out = nil
	case len(c.at.path) > 0:
		c.at = c.at.up(1)
	default:
		return false
	}
	return true
}

// Renew leaves the blocks that the running configuration no longer has.
func (c *call) Renew() { c.at = c.lang.resolve(c.Box.Running(), c.at.mode()) }

// Takes reports whether a line would be understood here, without any correction.
func (c *call) Takes(line string) bool {
	modes, _ := c.lang.layers(c.Box.Running(), c.at)
	for i := range modes {
		modes[i].Correct = false
	}
	_, err := c.lang.table.Match(append(modes, cli.Layer{Mode: c.lang.admin}), line, c.Box.Running())
	return err == nil
}

func (c *call) corrections(m *cli.Match) {
	for _, x := range m.Corrections {
		c.Note("%q taken as %s", x.Word, x.Taken)
	}
}
