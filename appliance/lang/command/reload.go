package command

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"viaduct/appliance/config"
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

// Out of service, and back.

// drainHelp is the help for the words of `drain`.
var drainHelp = []string{"limit", "End the calls that are left after so many minutes, default 60", "context", "The interfaces of a context cs", "cs", "A context for calls", "interface", "One peer", "sip", "An interface sip"}

// usualLimit is how many minutes calls have to end by themselves.
const usualLimit = 60

func limitOf(n int) time.Duration { return minutes(cmp.Or(n, usualLimit)) }

type drainArgs struct {
	Name  string
	Limit int
}

func drainBox(c *Call, a *drainArgs) error { return c.drain(device.Drain{}, a.Limit) }

func drainContext(c *Call, a *drainArgs) error {
	return c.drain(device.Drain{Context: a.Name}, a.Limit)
}

func drainInterface(c *Call, a *drainArgs) error {
	d, err := interfaceNamed(c.Box.Running(), a.Name)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return c.drain(d, a.Limit)
}

func undrainBox(c *Call, _ *none) error { return c.undrain(device.Drain{}) }

func undrainContext(c *Call, a *named) error { return c.undrain(device.Drain{Context: a.Name}) }

func undrainInterface(c *Call, a *named) error {
	d, err := interfaceNamed(c.Box.Running(), a.Name)
	if err != nil {
		return fmt.Errorf("no drain: %w", err)
	}
	return c.undrain(d)
}

func (c *Call) drain(d device.Drain, limit int) error {
	d.Limit, d.By = limitOf(limit), c.who()
	if err := c.Box.Drain(d); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	c.Printf("Calls go elsewhere from now on; those in progress have %s. `show system` says how far it is, `no drain` takes it back\n", plural.Of(int(d.Limit.Minutes()), "minute"))
	return nil
}

func (c *Call) undrain(d device.Drain) error {
	d.By = c.who()
	switch was, err := c.Box.EndDrain(d); {
	case err != nil:
		return fmt.Errorf("no drain: %w", err)
	case !was:
		c.Printf("It was in service.\n")
	default:
		c.Printf("It takes calls again.\n")
	}
	return nil
}

// interfaceNamed finds an interface sip by its name, or by CONTEXT/NAME.
func interfaceNamed(cfg *config.Config, name string) (d device.Drain, err error) {
	var found []string
	for _, sw := range cfg.CS {
		if i := (config.Ref[config.Switch, config.SIPInterface]{Name: inContext(sw, name)}).In(sw); i != nil {
			d = device.Drain{Context: sw.Name, Interface: i.Name}
			found = append(found, sw.Name+"/"+i.Name)
		}
	}
	switch len(found) {
	case 0:
		return d, fmt.Errorf("no such interface sip: %s", name)
	case 1:
		return d, nil
	}
	return d, fmt.Errorf("%s exists in several contexts cs, write %s", name, strings.Join(found, " or "))
}
