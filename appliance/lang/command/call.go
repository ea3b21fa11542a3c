package command

import (
	"context"
	"io"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/answer"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
)

// Call is the execution of one line.
type Call struct {
	Ctx      context.Context
	Language Language
	Box      device.Box
	Session  *Session
	Body     []byte
	Out      io.Writer
	Place    Place
	Result   Result
}

// Language is what commands need of the language.
type Language interface {
	// Exec runs a line, as a command that consists of others does.
	Exec(ctx context.Context, box device.Box, s *Session, line string, body []byte, out io.Writer) (Result, error)
	// Parse reads a configuration.
	Parse(text []byte) (*config.Config, []check.Problem)
	// ParseOnto applies the lines of a text to cfg. taken is the number of statements among them that were accepted.
	ParseOnto(cfg *config.Config, text []byte) (changed *config.Config, taken int, problems []check.Problem)
	// Understands reports whether a text is a configuration.
	Understands(text []byte) bool
	// Print formats a configuration.
	Print(cfg *config.Config, masked bool) []byte
	// Walk calls f for each line that Print writes.
	Walk(cfg *config.Config, masked bool, f func(*cli.Printed))
	// Changes lists the lines that only one of two configurations has, without secrets.
	Changes(before, after *config.Config) []answer.Change
	// Problems returns those of the running configuration.
	Problems(box device.Box) []check.Problem
	// ChoosePassword gives an account the password that its owner has chosen.
	ChoosePassword(box device.Box, a *config.Account, tty, old, password string) (saved bool, err error)
}

// Place is where a session stands. Commands move it.
type Place interface {
	Level() Level
	// Move goes to a level, outside of all blocks.
	Move(Level)
	// Leave leaves the innermost block; false: there is none.
	Leave() bool
	// Renew leaves the blocks that the running configuration no longer has.
	Renew()
	// Takes reports whether a line would be understood there, without any correction.
	Takes(line string) bool
}

// Level is the stage of a session, which decides about its commands.
type Level int

// The levels of a session.
const (
	OperatorExec Level = iota // node>
	AdminExec                 // node#
	Configuring               // node(cfg)#
)

// page returns the page that answers are written to.
func (c *Call) page() answer.Page {
	return answer.Page{Out: c.Out, Zone: c.Box.Running().Clock.Location()}
}

// Printf writes a line of an answer.
func (c *Call) Printf(format string, a ...any) { answer.Page{Out: c.Out}.Printf(format, a...) }

// lines writes a text of the box that has several lines.
func (c *Call) lines(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		c.Printf("%s\n", line)
	}
}

// Note says what is worth knowing of a line and cannot be seen in the configuration: the end of a paste counts it.
func (c *Call) Note(format string, a ...any) {
	c.Printf("%% note: "+format+"\n", a...)
	c.Result.Notes++
}

// masked reports whether secrets are hidden from this session.
func (c *Call) masked() bool { return c.Place.Level() == OperatorExec }

// live tells the console to show output as it arrives, instead of page by page.
func (c *Call) live() {
	if out, ok := c.Out.(interface{ Live() }); ok {
		out.Live()
	}
}

// confirmed reports whether the user has confirmed this line, or has added force, as scripts do. Otherwise it asks; the console sends the
// line again with the answer.
func (c *Call) confirmed(forced bool, question string) bool {
	if forced || c.Session.Yes {
		return true
	}
	c.Result.Collect = &Collect{Prompt: question + " [yes/no] ", Kind: "confirm"}
	return false
}
