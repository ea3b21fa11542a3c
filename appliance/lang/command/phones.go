package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Phones that register here, and calls while their PBX is gone.

// phoneCommands do something with phones.
func phoneCommands() []cli.Line {
	return []cli.Line{
		withExample("phone restart 21", command("phone restart <identity:phone>", "Have the phones of an identity fetch their settings and start again (NOTIFY check-sync); most wait until their call has ended", restartPhone)),
		withExample("clear sip binding 21", command("clear sip binding <identity:phone>", "Forget where the phones of an identity are: calls reach them again after their next REGISTER", clearBinding)),
	}
}

type phoneArgs struct{ Identity string }

// phonesOf are the identities with this name or alias, in whichever location service.
func (c *Call) phonesOf(name string) ([]status.Phone, error) {
	list := slices.DeleteFunc(c.Box.Phones(), func(p status.Phone) bool { return p.Identity != name && !slices.Contains(p.Aliases, name) })
	if len(list) == 0 {
		return nil, fmt.Errorf("no phone may register as %s: `show phones` lists the identities with registration inbound", name)
	}
	return list, nil
}

func showPhones(c *Call, a *phoneArgs) error {
	if a.Identity == "" {
		c.page().Phones(c.Box.Phones(), c.now())
		return nil
	}
	list, err := c.phonesOf(a.Identity)
	for _, p := range list {
		c.page().Phone(p, c.now())
	}
	return err
}

// answered is how long phones have to answer a NOTIFY.
const answered = 10 * time.Second

func restartPhone(c *Call, a *phoneArgs) error {
	ctx, cancel := context.WithTimeout(c.Ctx, answered)
	defer cancel()
	list, err := c.Box.RestartPhone(ctx, a.Identity)
	if err != nil {
		return err
	}
	c.page().PhoneRestarts(list)
	if slices.ContainsFunc(list, func(p status.PhoneRestart) bool { return p.Error != "" }) {
		return errors.New("not every phone starts again")
	}
	return nil
}

func clearBinding(c *Call, a *phoneArgs) error {
	list, err := c.phonesOf(a.Identity)
	if err != nil {
		return err
	}
	n := 0
	for _, p := range list {
		n += c.Box.ClearBindings(p.Identity)
	}
	c.Printf("%s forgotten\n", plural.Of(n, "phone"))
	return nil
}

// showSurvival shows one survival, by its name or by CONTEXT/NAME, or all.
func showSurvival(c *Call, a *named) error {
	all := c.Box.Survivals()
	if a.Name != "" {
		var found []status.Survival
		for _, s := range all {
			if config.SameName(s.Name) == config.SameName(a.Name) {
				found = append(found, s)
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("there is no survival %s: `show survival` lists them", a.Name)
		}
		all = found
	}
	c.page().Survivals(all, c.now())
	return nil
}
