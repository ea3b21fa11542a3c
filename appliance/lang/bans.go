package lang

import (
	"fmt"
	"net/netip"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/source"
)

// Who is shut out because of wrong passwords.

func showBans(c *call, _ *none) error {
	rows := [][]string{{"Source", "Wrong passwords", "Shut out for"}}
	for _, b := range c.box.Bans() {
		left := "-"
		if b.Left > 0 {
			left = span(b.Left.Round(time.Second))
		}
		rows = append(rows, []string{source.Name(b.Source), fmt.Sprint(b.Wrong), left})
	}
	if len(rows) == 1 {
		c.printf("No wrong passwords in the last ten minutes.\n")
		return nil
	}
	c.page().Columns(rows)
	return nil
}

type banArgs struct{ Source netip.Addr }

func clearBans(c *call, a *banArgs) error {
	n := c.box.LiftBans(a.Source)
	if n == 0 && a.Source.IsValid() {
		return fmt.Errorf("no wrong passwords came from %s: `show bans` lists the sources", a.Source)
	}
	c.printf("%s forgotten\n", plural.Of(n, "source"))
	return nil
}
