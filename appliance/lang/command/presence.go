package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
	"viaduct/appliance/usermatch"
)

// Presence between Teams and the PBX.

// presenceCommands change something, or ask Microsoft.
func presenceCommands() []cli.Line {
	return []cli.Line{
		worded(command("presence test [<name:presence>] [json] [jsonl]", "Go through every step on the way to the presence of Teams users, and say what to do where one fails: names, proxy, TLS, sign-in, permissions, users, "+
			"a read with its time. Nothing is changed", testPresence), "json", "The outcome as JSON, when all is done", "jsonl", "Each step as JSON in a line as soon as it is done, and the outcome in the last line"),
		worded(withExample("import presence-users TEAMS", command("import presence-users <name:presence> [check]", "Take the table that says which user of Microsoft Entra is which identity, pasted, or ssh NAME@BOX import presence-users SERVICE < usermatching.csv: "+
			"name, identity, and extension if there is one, apart by commas, semicolons or tabs. Lines that are not understood are named, all others become `user` lines", importPresenceUsers)), "check", "Only say what would become of it"),
		worded(withExample("generate presence-certificate TEAMS", command("generate presence-certificate <name:presence-certificate> [bits <bits:2048|3072>] [years <years:1..10>] [replace]",
			"Make a certificate with which a presence-service signs in to Microsoft Entra, and its key, which never leaves the box; print what to upload, and the link for the administrator's consent", generatePresenceCertificate)),
			"bits", "Size of the RSA key", "2048", "2048 bits, the default", "3072", "3072 bits", "years", "How long it is valid; 2 by default", "replace", "Overwrite certificate and key of that name: nobody signs in until the new one is uploaded"),
	}
}

type presenceArgs struct{ User string }

func showPresence(c *Call, a *presenceArgs) error {
	p := c.Box.Presence()
	if a.User == "" {
		c.page().Presence(p, c.now())
		return nil
	}
	found := false
	for _, s := range p.Services {
		for _, u := range s.Users {
			if strings.EqualFold(u.Name, a.User) || strings.EqualFold(u.Identity, a.User) || strings.EqualFold(u.Extension, a.User) {
				c.page().PresenceUser(s, u, c.now())
				found = true
			}
		}
		for _, x := range s.Problems {
			if strings.EqualFold(x.User, a.User) {
				c.page().Folded("", fmt.Sprintf("%s of presence-service %s is not matched: %s", x.User, s.Name, x.Why))
				found = true
			}
		}
	}
	if i := slices.IndexFunc(p.Services, func(s status.PresenceService) bool { return s.Read.IsZero() && s.State != status.PresenceShutdown }); !found && i >= 0 {
		return fmt.Errorf("presence-service %s has not read its users yet: `show presence` says why", p.Services[i].Name)
	}
	if !found {
		return fmt.Errorf("no presence-service has a user, an identity or an extension %s: `show presence` lists them", a.User)
	}
	return nil
}

type presenceTest struct {
	Name        string
	JSON, JSONL bool
}

func testPresence(c *Call, a *presenceTest) (err error) {
	if a.Name != "" {
		if _, err := presenceService(c.Box.Running(), a.Name); err != nil {
			return err
		}
	}
	switch list := c.Box.Running().Presence; {
	case len(list) == 0:
		return errors.New("there is no presence-service: docs/presence.md shows how to begin")
	case a.Name == "" && !slices.ContainsFunc(list, func(p *config.PresenceService) bool { return p.Enabled }):
		return fmt.Errorf("presence-service %s is shut down: `presence test %s` tests it nevertheless", list[0].Name, cli.Quote(list[0].Name))
	}
	failed := c.check(a.JSON, a.JSONL, func(report func(status.CheckStep)) (out status.Checkup) {
		if report == nil {
			report = func(status.CheckStep) {}
		}
		out, err = c.Box.TestPresence(c.Ctx, a.Name, report)
		return out
	})
	return cmp.Or(err, failed)
}

// importPresenceUsers takes what it understands of a table, and names the rest line by line.
func importPresenceUsers(c *Call, a *presenceUsers) error {
	if _, err := presenceService(c.Box.Running(), a.Name); err != nil {
		return err
	}
	if c.Body == nil {
		c.Result.Collect = &Collect{Prompt: "Paste the table (enter a line with a single . when done):", Kind: "text"}
		return nil
	}
	if a.Check {
		return c.wouldImport(usermatch.ReadTable(c.Box.Running(), c.Body))
	}
	var table usermatch.Table
	changed, err := Adopt(c.Language, c.Box, c.Session, Adoption{From: "the table", Make: func(old *config.Config) (*config.Config, error) {
		service, err := presenceService(old, a.Name)
		if err != nil {
			return nil, err
		}
		if table = usermatch.ReadTable(old, c.Body); len(table.Pairs) == 0 {
			return nil, errNothing
		}
		lines := append([]string{"presence-service " + cli.Quote(service.Name)}, table.Lines()...)
		made, taken, problems := c.Language.ParseOnto(old, []byte(strings.Join(lines, "\n")+"\n"))
		if taken != len(lines) {
			i := slices.IndexFunc(problems, func(p check.Problem) bool { return p.Severity == check.Error })
			return nil, fmt.Errorf("%s: nothing was changed", problems[max(i, 0)].Text)
		}
		return made, nil
	}})
	c.leftOut(table)
	switch {
	case errors.Is(err, errNothing):
		return errors.New("no line of the table says who a user is: nothing was changed")
	case err != nil:
		return err
	}
	c.Place.Renew()
	c.Result.Changed = changed
	c.Printf("%s taken into presence-service %s, %d left out", plural.Of(len(table.Pairs), "user"), a.Name, len(table.Problems))
	if n := len(table.Repeated); n > 0 {
		c.Printf(", %d said twice", n)
	}
	c.Printf("\n")
	if len(table.Problems) > 0 {
		return errRefused
	}
	return nil
}

type presenceUsers struct {
	Name  string
	Check bool
}

// wouldImport says what would become of a table.
func (c *Call) wouldImport(table usermatch.Table) error {
	for _, l := range table.Lines() {
		c.Printf("%s\n", l)
	}
	c.leftOut(table)
	c.Printf("%s would be taken, %d left out\n", plural.Of(len(table.Pairs), "user"), len(table.Problems))
	if len(table.Problems) > 0 {
		return errors.New("the lines above would be left out; nothing was changed")
	}
	return nil
}

// leftOut names the lines of a table that are not taken.
func (c *Call) leftOut(table usermatch.Table) {
	for n, p := range table.Problems {
		if n == refusedShown {
			c.Printf("%% and %s\n", plural.Of(len(table.Problems)-n, "more line"))
			break
		}
		c.Printf("%% %s\n", p.String())
	}
}

func presenceService(cfg *config.Config, name string) (*config.PresenceService, error) {
	if p := (config.Ref[config.Config, config.PresenceService]{Name: name}).In(cfg); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("there is no presence-service %s: `show presence` lists them", name)
}

type presenceCertificate struct {
	Name    string
	Bits    string
	Years   int
	Replace bool
}

func generatePresenceCertificate(c *Call, a *presenceCertificate) error {
	bits, _ := strconv.Atoi(cmp.Or(a.Bits, "2048")) // one of two words
	text, pem, err := c.Box.GeneratePresenceCertificate(a.Name, bits, cmp.Or(a.Years, 2), a.Replace)
	if err != nil {
		return fmt.Errorf("generate presence-certificate %s: %w", a.Name, err)
	}
	c.lines(text)
	_, err = c.Out.Write(pem)
	return err
}
