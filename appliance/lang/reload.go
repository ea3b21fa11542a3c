package lang

import (
	"errors"
	"fmt"
	"io/fs"

	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
)

type reloadArgs struct {
	Graceful bool
	Minutes  int
	Force    bool
}

// unsavedShown limits how many unsaved lines `reload` lists.
const unsavedShown = 10

// reload shows what would be lost, and asks for confirmation. `reload in` does not ask: it is meant to undo changes unless it is cancelled.
func reload(c *call, a *reloadArgs) error {
	if !c.session.Yes {
		unsaved, err := c.unsaved()
		if err != nil {
			return fmt.Errorf("reload: %w", err)
		}
		calls := c.box.CallCount()
		switch {
		case a.Minutes > 0 || a.Force:
		case unsaved == 0 && (calls == 0 || a.Graceful):
		case a.Graceful || calls == 0:
			if !c.confirmed(false, "Reload, and lose what is not saved?") {
				return nil
			}
		default:
			if !c.confirmed(false, "Reload, and end "+plural.Of(calls, "call")+"?") {
				return nil
			}
		}
	}
	image, err := c.box.Reload(device.Reload{Graceful: a.Graceful, Delay: minutes(a.Minutes), By: c.who(), TTY: c.session.TTY})
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if image != "" {
		c.printf("The box starts with image %s\n", image)
	}
	switch {
	case a.Minutes > 0:
		c.printf("Restarting with the startup-config in %s; `no reload` cancels it\n", plural.Of(a.Minutes, "minute"))
	case a.Graceful:
		c.printf("Restarting after the last call\n")
	default:
		c.printf("Restarting\n")
	}
	return nil
}

// unsaved shows the unsaved lines of the running configuration, and returns how many there are.
func (c *call) unsaved() (int, error) {
	from := startupConfig
	saved, err := c.linesOf(from)
	if errors.Is(err, fs.ErrNotExist) {
		from = factoryConfig
		saved, err = c.linesOf(from)
	}
	if err != nil { // it is damaged: the box will start with another one, and the running configuration is not saved
		c.printf("%% the startup-config cannot be used: %v\n", err)
		return 1, nil
	}
	n := c.page().Differences(from, runningConfig, saved, c.printed(c.box.Running()), unsavedShown)
	if n > 0 {
		c.printf("%% not saved: %s; `copy running-config startup-config` saves them\n", plural.Of(n, "line"))
	}
	return n, nil
}

func noReload(c *call, _ *none) error {
	if _, err := c.box.Reload(device.Reload{Cancel: true, By: c.who(), TTY: c.session.TTY}); err != nil {
		return fmt.Errorf("no reload: %w", err)
	}
	c.printf("The reload is cancelled.\n")
	return nil
}

// who names the user of the session in messages to others.
func (c *call) who() string {
	name := c.session.User
	if name == "" {
		name = "somebody at the box"
	}
	if c.session.TTY != "" {
		name += " (" + c.session.TTY + ")"
	}
	return name
}

// Firmware images: `copy URL flash:`, `install-image`, `show system images`.

// imageByHand explains how to install an image, because it cannot be pasted.
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

// installed reports the result of an installation, and the next steps.
func (c *call) installed(err error) error {
	if err != nil {
		return fmt.Errorf("image not installed: %w", err)
	}
	c.printf("The image is installed. `reload` restarts the box with it and ends calls, `reload graceful` waits for them.\n" +
		"It is on trial then: when it does not come up well, the box goes back to the present one by itself.\n")
	return nil
}
