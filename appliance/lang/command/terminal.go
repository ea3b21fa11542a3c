package command

import (
	"errors"
	"strings"

	"viaduct/appliance/config"
)

// Commands about the session itself: modes, the terminal, help.

func enable(c *Call, _ *none) error {
	if !c.Session.May(config.Administrator) {
		return errors.New("not for operator accounts")
	}
	if c.Place.Level() == OperatorExec {
		c.Place.Move(AdminExec)
	}
	return nil
}

func exit(c *Call, _ *none) error {
	switch {
	case c.Place.Leave():
	case c.Place.Level() == Configuring:
		c.Place.Move(AdminExec)
	default:
		c.Result.Exit = true
	}
	return nil
}

func end(c *Call, _ *none) error {
	c.Place.Move(AdminExec)
	return nil
}

func logout(c *Call, _ *none) error {
	c.Result.Exit = true
	return nil
}

func (c *Call) more(on bool) error {
	c.Result.More = &on
	return nil
}

type terminalSize struct{ N int }

func terminalLength(c *Call, a *terminalSize) error {
	c.Result.Length = &a.N
	return nil
}

func terminalWidth(c *Call, a *terminalSize) error {
	c.Result.Width = &a.N
	return nil
}

// help prints the basics.
func help(c *Call, _ *none) error {
	_, err := c.Out.Write([]byte(helpText))
	return err
}

var helpText = strings.TrimLeft(`
?                     what can stand here; Tab completes it
enable, configure     become an administrator, change the configuration
exit, end, logout     leave the mode, the configuration, the session
no LINE               take a line of the configuration back
| include TEXT        behind a command: only lines with a text; exclude, begin
                      and count likewise
Ctrl-C                leave a line or end a command; Ctrl-Z is end
Up, Down              lines that were typed before

show config problems  what is wrong, and the lines that put it right
show running-config   the configuration; copy running-config startup-config
                      keeps it over a restart
show calls            calls in progress; show calls history: those that ended
show log              what happened

At --More--: Space goes on, Enter by a row, b back, / searches, q is enough.
`, "\n")
