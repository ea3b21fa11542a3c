package command

import (
	"errors"
	"fmt"
	"io"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/status"
)

// The box as a member of a fleet.

// fleetCommands change something.
func fleetCommands() []cli.Line {
	return []cli.Line{
		worded(command("fleet key generate [force]", "Make a new key for the hub, in place of the present one, which the hub ends at once. The box is away until the hub has been given the new key file; it asks first, unless force is given", generateFleetKey),
			"key", "The key by which the hub knows this box", "generate", "Make a new one"),
	}
}

// fleet is that of the configuration.
func (c *Call) fleet() (*config.Fleet, error) {
	if f := c.Box.Running().Fleet; f != nil {
		return f, nil
	}
	return nil, errors.New("the box belongs to no fleet: docs/fleet.md shows how to begin")
}

func showFleet(c *Call, _ *none) error {
	f, err := c.fleet()
	if err != nil {
		return err
	}
	off := "not begun yet"
	switch {
	case !f.Enabled:
		off = "shut down"
	case !f.Complete():
		off = "not complete, as `show config problems` says"
	}
	c.page().Fleet(c.Box.Fleet(), off, c.now())
	return nil
}

func showFleetKey(c *Call, _ *none) error {
	if _, err := c.fleet(); err != nil {
		return err
	}
	k, err := c.Box.FleetKey()
	if err != nil {
		return fmt.Errorf("show fleet key: %w", err)
	}
	_, err = io.WriteString(c.Out, k.String())
	return err
}

type fleetKeyArgs struct{ Force bool }

func generateFleetKey(c *Call, a *fleetKeyArgs) error {
	if _, err := c.fleet(); err != nil {
		return err
	}
	before := c.Box.Fleet()
	question := "Make a new key? "
	if before.State == status.FleetConnected {
		question += "The hub ends the present one at once: connections of operators break off, and the box is away until the hub has been given the new key file."
	} else {
		question += "The hub is not reached, and takes the present one until it has been given the new key file. The box is away until then."
	}
	if !c.confirmed(a.Force, question) {
		return nil
	}
	ended, err := c.Box.GenerateFleetKey(c.Ctx)
	if err != nil {
		return fmt.Errorf("fleet key generate: %w", err)
	}
	if ended {
		c.Printf("the hub has ended the key before. Give it this file, with `hub box key`:\n")
	} else {
		c.Printf("%% the hub has not been told, and takes the key before until it has this file. Give it to the hub, with `hub box key`:\n")
	}
	return showFleetKey(c, nil)
}
