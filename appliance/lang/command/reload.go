package command

import (
	"errors"
	"fmt"
	"io/fs"

	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
)

type reloadArgs struct {
	Graceful bool
	Limit    int
	Minutes  int
	Force    bool
}

// unsavedShown limits how many unsaved lines `reload` lists.
const unsavedShown = 10

// reload shows what would be lost, and asks for confirmation. `reload in` does not ask: it is meant to undo changes unless it is cancelled.
func reload(c *Call, a *reloadArgs) error {
	if a.Limit > 0 && !a.Graceful {
		return errors.New("reload: limit is for `reload graceful`, which waits for calls to end")
	}
	if !c.Session.Yes {
		unsaved, err := c.unsaved()
		if err != nil {
			return fmt.Errorf("reload: %w", err)
		}
		calls := c.Box.CallCount()
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
	limit := limitOf(a.Limit)
	image, err := c.Box.Reload(device.Reload{Graceful: a.Graceful, Limit: limit, Delay: minutes(a.Minutes), By: c.who(), TTY: c.Session.TTY})
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	if image != "" {
		c.Printf("The box starts with image %s\n", image)
	}
	switch {
	case a.Minutes > 0:
		c.Printf("Restarting with the startup-config in %s; `no reload` cancels it\n", plural.Of(a.Minutes, "minute"))
	case a.Graceful:
		c.Printf("Restarting after the last call, in %s at the latest; `no reload` cancels it, and `show system` says how far it is\n", plural.Of(int(limit.Minutes()), "minute"))
	default:
		c.Printf("Restarting\n")
	}
	return nil
}

// unsaved shows the unsaved lines of the running configuration, and returns how many there are.
func (c *Call) unsaved() (int, error) {
	from := StartupConfig
	saved, err := c.linesOf(from)
	if errors.Is(err, fs.ErrNotExist) {
		from = FactoryConfig
		saved, err = c.linesOf(from)
	}
	if err != nil { // it is damaged: the box will start with another one, and the running configuration is not saved
		c.Printf("%% the startup-config cannot be used: %v\n", err)
		return 1, nil
	}
	n := c.page().Differences(from, RunningConfig, saved, c.printed(c.Box.Running()), unsavedShown)
	if n > 0 {
		c.Printf("%% not saved: %s; `copy running-config startup-config` saves them\n", plural.Of(n, "line"))
	}
	return n, nil
}

func noReload(c *Call, _ *none) error {
	if _, err := c.Box.Reload(device.Reload{Cancel: true, By: c.who(), TTY: c.Session.TTY}); err != nil {
		return fmt.Errorf("no reload: %w", err)
	}
	c.Printf("The reload is cancelled.\n")
	return nil
}

// who names the user of the session in messages to others.
func (c *Call) who() string { return c.Session.Author().String() }

// Firmware images: `copy URL flash:`, `install-image`, `show system images`.

// imageByHand explains how to install an image, because it cannot be pasted.
const imageByHand = "An image is a file. Send it from where it is: ssh NAME@BOX install-image < FILE\n" +
	"or let the box fetch it: copy https://HOST/PATH flash:"

func (c *Call) fetchImage(from string, force bool) error {
	if !isURL(from) {
		return errors.New("only an image from http://HOST/PATH or https://HOST/PATH is copied to flash:; see install-image for one from ssh")
	}
	c.live()
	return c.installed(c.Box.FetchImage(c.Ctx, from, force, c.report))
}

type forced struct{ Force bool }

func installImage(c *Call, a *forced) error {
	if c.Session.File == nil {
		c.Result.Collect = &Collect{Prompt: imageByHand, Kind: "file"}
		return nil
	}
	c.live()
	return c.installed(c.Box.InstallImage(c.Ctx, c.Session.File, a.Force, c.report))
}

func (c *Call) report(line string) { c.Printf("%s\n", line) }

// installed reports the result of an installation, and the next steps.
func (c *Call) installed(err error) error {
	if err != nil {
		return fmt.Errorf("image not installed: %w", err)
	}
	c.Printf("The image is installed. `reload` restarts the box with it and ends calls, `reload graceful` waits for them.\n" +
		"It is on trial then: when it does not come up well, the box goes back to the present one by itself.\n")
	return nil
}
