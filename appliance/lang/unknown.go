package lang

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/lang/older"
)

// otherwise handles a line that no mode understands: it may be a statement of another generation.
func (l *Language) otherwise(c *call, cfg *config.Config, modes []cli.Layer, line string, err error) error {
	u := l.misunderstand(cfg, c.at, modes, line)
	c.at = u.at
	switch {
	case u.instead != nil && !c.instead:
		return l.sayInstead(c, u)
	case u.note != "":
		c.Note("%s: %s", u.at.out.header, u.note)
		return nil
	}
	return err
}

// fromElsewhere adds to the error about a line what to type instead, if the line is a command of another device.
func fromElsewhere(line string, err error) error {
	var e *cli.Error
	if !errors.As(err, &e) {
		return err
	}
	here := older.Command(line)
	if here == "" {
		return err
	}
	text, _, _ := strings.Cut(e.Text, ", expected ")
	text, _, _ = strings.Cut(text, ", did you mean ")
	return &cli.Error{Col: e.Col, Text: text + ": " + here}
}

// sayInstead runs the lines that replace one of another generation.
func (l *Language) sayInstead(c *call, u misunderstood) error {
	c.instead = true
	defer func() { c.instead = false }()
	c.Note("%s", u.taken())
	for _, line := range u.instead {
		if err := l.understand(c, c.Box.Running(), line); err != nil {
			return err
		}
	}
	if !u.header {
		c.at = u.at
	}
	return nil
}

// leaveGone leaves out the further lines of a block whose object another session has deleted, because an outer mode may have the same
// statements. At the root that cannot happen.
func (c *call) leaveGone() {
	mode, left := c.Session.Mode, c.at.mode()
	if len(c.at.path) == 0 || len(left) >= len(mode) || c.at.out != nil {
		return
	}
	header := mode[len(left)]
	c.Printf("%% %s no longer exists: the lines below it are left out, up to the next header that is understood\n", header)
	c.at.out = &leftOut{header: shown(header), sure: true}
}

// saidLeftOut prints how many lines were left out of a block that has ended.
func (c *call) saidLeftOut(o *leftOut) {
	if text := o.said(); text != "" && !o.quiet {
		c.Printf("%% %s: %s\n", o.header, text)
	}
}

// SayLeftOut prints how many lines were left out, if a paste ends inside a left-out block. The session stays in the block, and its prompt
// shows that.
func (l *Language) SayLeftOut(box device.Box, s *Session, out io.Writer) Result {
	p := l.resolve(box.Running(), s.Mode)
	if o := p.out; o != nil {
		(&call{Call: command.Call{Out: out}}).saidLeftOut(o)
		if o.lines = 0; !o.sure {
			p.out = nil
		}
	}
	return Result{Mode: p.mode(), Prompt: l.prompt(hostname(box), p)}
}

// otherObject rejects a line that was copied with the prompt of an object other than the current one.
func (p cursor) otherObject(object string, m *cli.Match) error {
	if object == "" || m.Stmt.Mode != nil || len(p.path) == 0 {
		return nil
	}
	here := strings.Join(p.path[len(p.path)-1].Key(), " ")
	// Some releases put the context in front: [SWITCH.IF_A].
	if here == "" || lettersOf(here) == lettersOf(object) || strings.HasSuffix(strings.ToLower(object), "."+strings.ToLower(here)) {
		return nil
	}
	return fmt.Errorf("the prompt in front of the line is that of %s, and this is %s", cli.Quote(object), cli.Quote(here))
}

// lettersOf normalises a name from a prompt: SWITCH or switch, 0 1 or 0/1.
func lettersOf(name string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, name))
}
