package command

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// The box as one of a pair.

// redundancyCommands change something.
func redundancyCommands() []cli.Line {
	return []cli.Line{
		worded(command("redundancy switch [force]", "Have the standby of the pair take over, and keep all calls: before work on the active box. It asks first, unless force is given", switchRedundancy),
			"switch", "Have the other box become the active one"),
	}
}

// pair is that of the configuration.
func (c *Call) pair() (*config.Redundancy, error) {
	if r := c.Box.Running().Redundancy; r != nil {
		return r, nil
	}
	return nil, errors.New("the box belongs to no pair: docs/redundancy.md shows how to begin")
}

func showRedundancy(c *Call, _ *none) error {
	r, err := c.pair()
	if err != nil {
		return err
	}
	off := "not begun yet"
	switch {
	case !r.Enabled:
		off = "shut down"
	case !r.Complete():
		off = "not complete, as `show config problems` says"
	}
	c.page().Redundancy(c.Box.Redundancy(), off, c.now())
	return nil
}

type pairKeyArgs struct{ Number int }

// showRedundancyKey prints the line by which both boxes know this one. Its number is the one that it has, or the first that no other has.
func showRedundancyKey(c *Call, a *pairKeyArgs) error {
	key, err := c.Box.RedundancyKey()
	if err != nil {
		return fmt.Errorf("show redundancy key: %w", err)
	}
	number := a.Number
	if r := c.Box.Running().Redundancy; r != nil && number == 0 {
		number = int(r.Box(key))
		if number == 0 && r.Key(1) != "" && r.Key(2) == "" {
			number = 2
		}
	}
	c.Printf("box %d key %s\n", cmp.Or(number, 1), key)
	return nil
}

type switchArgs struct{ Force bool }

func switchRedundancy(c *Call, a *switchArgs) error {
	if _, err := c.pair(); err != nil {
		return err
	}
	before := c.Box.Redundancy()
	if err := switchable(before); err != nil {
		return fmt.Errorf("redundancy switch: %w", err)
	}
	if st := c.Box.Commit().State; st == status.Pending || st == status.Returning {
		return errors.New("redundancy switch: a change waits to be confirmed, and the other box would keep it for good: `confirm` or `no confirm` first")
	}
	question := fmt.Sprintf("Have box %d take over, with %s? ", before.Other.Box, plural.Of(c.Box.CallCount(), "call"))
	if before.State == status.PairStandby {
		question = fmt.Sprintf("Have this box take over from box %d, with %s? ", before.Other.Box, plural.Of(before.Other.Calls, "call"))
	}
	if !c.confirmed(a.Force, question+"New calls wait for a moment. A session that came by an address of the pair ends.") {
		return nil
	}
	if err := c.Box.SwitchRedundancy(c.Ctx); err != nil {
		return fmt.Errorf("redundancy switch: %w", err)
	}
	if before.State == status.PairStandby {
		c.Printf("this box is active now\n")
	} else {
		c.Printf("box %d is active now\n", before.Other.Box)
	}
	return nil
}

// switchable says why the boxes of a pair cannot change places now.
func switchable(r status.Redundancy) error {
	switch r.State {
	case status.PairOff, status.PairUnready:
		return errors.New("this box stays out of its pair: `show config problems` says why")
	case status.PairJoining:
		return errors.New("this box has not copied everything yet: `show redundancy` shows how far it is")
	case status.PairSwitching:
		return errors.New("the boxes are changing places already")
	case status.PairDefeated:
		return errors.New("this box has just given up: wait until `show redundancy` has it as the standby")
	case status.PairStandby:
		if !r.Other.Linked {
			return fmt.Errorf("the active box cannot be asked over the direct path: %s", cmp.Or(r.Other.Why, "nothing is heard of it there"))
		}
	case status.PairActive:
		switch {
		case r.Other.Role == "":
			return errors.New("nothing is heard of the other box: this one goes on")
		case !r.Other.Linked:
			return fmt.Errorf("the other box copies nothing, so calls would be lost: %s", cmp.Or(r.Other.Why, "the direct path does not work"))
		case !r.Other.Eligible:
			return errors.New("the other box has not copied everything yet, so calls would be lost: `show redundancy` shows how far it is")
		}
	}
	return nil
}

// Copies says why nothing can be changed at the box that both boxes of a pair have alike: it copies all that from the active one, within seconds, and what
// was entered here would be gone without a word. A box that is cut off from the active one can be changed.
func Copies(box device.Box) error {
	if box.Running().Redundancy == nil {
		return nil
	}
	r := box.Redundancy()
	if r.State != status.PairStandby && r.State != status.PairJoining || !r.Other.Linked || r.Other.Role != status.PairActive.String() {
		return nil
	}
	at := fmt.Sprintf("at box %d", r.Other.Box)
	for _, p := range r.Ports {
		if len(p.Virtual) > 0 {
			at, _, _ = strings.Cut(p.Virtual[0], "/")
			at = "at " + at
			break
		}
	}
	return fmt.Errorf("this box is the standby of its pair, and copies what the active box has: enter changes there, %s", at)
}

// ofBoth marks a command that changes what both boxes of a pair have alike.
func ofBoth(l cli.Line) cli.Line {
	a := l.Data.(Action)
	run := a.Run
	a.Run = func(c *Call, args any) error {
		if err := Copies(c.Box); err != nil {
			return err
		}
		return run(c, args)
	}
	l.Data = a
	return l
}
