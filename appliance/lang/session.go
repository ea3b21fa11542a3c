package lang

import (
	"errors"
	"strings"

	"viaduct/appliance/config"
)

// Commands about the session itself: modes, the terminal, help.

func enable(c *call, _ *none) error {
	if !c.session.may(config.Administrator) {
		return errors.New("not for operator accounts")
	}
	if c.at.level == operatorExec {
		c.at.level = adminExec
	}
	return nil
}

func configure(c *call, _ *none) error {
	c.at = cursor{level: configuring}
	return nil
}

func exit(c *call, _ *none) error {
	switch {
	case c.at.out != nil:
		c.at.out = nil
	case len(c.at.path) > 0:
		c.at = c.at.up(1)
	case c.at.level == configuring:
		c.at = cursor{level: adminExec}
	default:
		c.result.Exit = true
	}
	return nil
}

func end(c *call, _ *none) error {
	c.at = cursor{level: adminExec}
	return nil
}

func logout(c *call, _ *none) error {
	c.result.Exit = true
	return nil
}

func (c *call) more(on bool) error {
	c.result.More = &on
	return nil
}

type terminalSize struct{ N int }

func terminalLength(c *call, a *terminalSize) error {
	c.result.Length = &a.N
	return nil
}

func terminalWidth(c *call, a *terminalSize) error {
	c.result.Width = &a.N
	return nil
}

// help prints the basics.
func help(c *call, _ *none) error {
	_, err := c.out.Write([]byte(helpText))
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
