package command

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
)

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
