package lang

import (
	"errors"
	"fmt"
)

// Images of the firmware: `copy URL flash:`, `install-image`, `show system images`.

// imageByHand says how an image gets into the box, to whoever tries to paste one.
const imageByHand = "An image is a file. Send it from where it is: ssh NAME@BOX install-image < FILE\n" +
	"or let the box fetch it: copy https://HOST/PATH flash:"

func (c *call) fetchImage(from string, force bool) error {
	if !isURL(from) {
		return errors.New("only an image from http://HOST/PATH or https://HOST/PATH is copied to flash:; see install-image for one from ssh")
	}
	c.live()
	return c.installed(c.box.FetchImage(c.ctx, from, force, c.report))
}

type forced struct{ Force bool }

func installImage(c *call, a *forced) error {
	if c.session.File == nil {
		c.result.Collect = &Collect{Prompt: imageByHand, Kind: "file"}
		return nil
	}
	c.live()
	return c.installed(c.box.InstallImage(c.ctx, c.session.File, a.Force, c.report))
}

func (c *call) report(line string) { c.printf("%s\n", line) }

// installed says what has become of an installation, and what comes next.
func (c *call) installed(err error) error {
	if err != nil {
		return fmt.Errorf("image not installed: %w", err)
	}
	c.printf("The image is installed. `reload` restarts the box with it and ends calls, `reload graceful` waits for them.\n" +
		"It is on trial then: when it does not come up well, the box goes back to the present one by itself.\n")
	return nil
}
