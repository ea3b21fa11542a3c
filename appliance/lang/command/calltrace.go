package command

import (
	"errors"
	"fmt"
	"strings"

	"viaduct/appliance/config"
)

type ladderArgs struct {
	ID     string
	Detail bool
}

// showLadder draws the messages of a call. Their text is for administrators, as that of `debug sip` is.
func showLadder(c *Call, a *ladderArgs) error {
	if a.Detail && c.masked() {
		return errors.New("the text of messages is for administrators: type enable first, or leave detail out")
	}
	t, err := c.Box.CallTrace(a.ID)
	if err != nil {
		return err
	}
	c.page().Ladder(t, a.Detail)
	return nil
}

type idArgs struct{ ID string }

// exportCall writes a capture to whoever can take one.
func exportCall(c *Call, a *idArgs) error {
	if c.Session.Into == nil {
		return fmt.Errorf("this is a file for Wireshark, which no terminal shows: `ssh NAME@BOX export call %s > call.pcapng` saves it, `copy %s%s https://HOST/call.pcapng` sends it", a.ID, capturedCall, a.ID)
	}
	file, err := c.Box.CallCapture(a.ID, c.Session.May(config.Superuser))
	if err != nil {
		return err
	}
	_, err = c.Session.Into.Write(file)
	return err
}

// capturedCall is the beginning of a source of `copy` that is the capture of a call.
const capturedCall = "call:"

// sendCall puts the capture of a call on a server.
func (c *Call) sendCall(from, to string) error {
	if !isURL(to) {
		return fmt.Errorf("the messages of a call are sent to http://HOST/PATH or https://HOST/PATH, not to %s", to)
	}
	file, err := c.Box.CallCapture(strings.TrimPrefix(from, capturedCall), c.Session.May(config.Superuser))
	if err != nil {
		return err
	}
	if err := c.Box.Send(c.Ctx, to, file); err != nil {
		return fmt.Errorf("send to %s: %w", to, reason(err))
	}
	c.Printf("%s copied to %s: %d bytes\n", from, to, len(file))
	return nil
}

// captureVoice is for superusers alone, as what people say is.
func captureVoice(c *Call, a *debugged) error {
	switch {
	case !c.Session.May(config.Superuser):
		return errors.New("only a superuser can do this: it keeps what people say")
	case len(a.Of) < 3:
		return errors.New("three characters at least: the end of a number, or the ID of a call in progress")
	}
	until := c.Box.CaptureVoice(a.Of)
	c.Printf("Voice is kept until %s, and for an hour after that; `export call ID` has it. Both parties must have agreed to it.\n", until.In(c.page().Zone).Format("15:04:05"))
	return nil
}

func forgetVoice(c *Call, _ *none) error {
	if !c.Session.May(config.Superuser) {
		return errors.New("only a superuser can do this")
	}
	c.Box.ForgetVoice()
	return nil
}
