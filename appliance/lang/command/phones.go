package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// templateNames are the templates of package provisioning, which a test compares.
var templateNames = []string{"gigaset", "snom", "snom-common", "yealink", "yealink-common"}

// provisioningCommands let phones fetch their settings, and say what these are.
func provisioningCommands() []cli.Line {
	return []cli.Line{
		withExample("provisioning open 30", command("provisioning open [<minutes:1..120>]", "Let configured phones fetch their settings for the first time, for so many minutes (30): from then on each is served at the address of its first fetch alone",
			openProvisioning)),
		command("provisioning close", "End that: phones go on fetching from the addresses that they have", closeProvisioning),
		withExample("import provisioning-template yealink", command("import provisioning-template <name:provisioning-template>",
			"Take another template for files of phones, pasted, or ssh NAME@BOX import provisioning-template NAME < FILE; one that cannot be used changes nothing", importProvisioningTemplate)),
		withExample("erase provisioning-template yealink", command("erase provisioning-template <name:provisioning-template>", "Forget that template: the built-in one takes its place", eraseProvisioningTemplate)),
	}
}

type openArgs struct{ Minutes int }

// openFor is how many minutes phones may fetch for the first time when nobody says otherwise.
const openFor = 30

func openProvisioning(c *Call, a *openArgs) error {
	until, err := c.Box.OpenProvisioning(minutes(cmp.Or(a.Minutes, openFor)), c.who())
	if err != nil {
		return err
	}
	c.Printf("phones fetch their settings for the first time until %s; `provisioning close` ends it\n", until.In(c.Box.Running().Clock.Location()).Format(time.TimeOnly))
	return nil
}

func closeProvisioning(c *Call, _ *none) error {
	if !c.Box.CloseProvisioning(c.who()) {
		return errors.New("nothing was open")
	}
	c.Printf("phones fetch from the addresses that they have\n")
	return nil
}

func showProvisioningTemplate(c *Call, a *named) error {
	t, err := c.Box.ProvisioningTemplate(a.Name)
	if err != nil {
		return err
	}
	c.lines(strings.TrimSuffix(t.Text, "\n"))
	if t.Fault != "" {
		c.Note("it is not used, the built-in one is: %s", t.Fault)
	}
	return nil
}

func importProvisioningTemplate(c *Call, a *named) error {
	if c.Body == nil {
		c.Result.Collect = &Collect{Prompt: "Paste the template (enter a line with a single . when done):", Kind: "text"}
		return nil
	}
	if err := c.Box.ImportProvisioningTemplate(a.Name, bytes.ReplaceAll(c.Body, []byte("\r\n"), []byte("\n"))); err != nil {
		return err
	}
	c.Printf("template %s taken: phones get it with their next fetch\n", a.Name)
	return nil
}

func eraseProvisioningTemplate(c *Call, a *named) error {
	if err := c.Box.EraseProvisioningTemplate(a.Name); err != nil {
		return err
	}
	c.Printf("template %s is the built-in one\n", a.Name)
	return nil
}
