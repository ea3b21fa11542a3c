package lang

import (
	"fmt"
	"net/netip"

	"viaduct/appliance/plural"
)

// Who is shut out because of wrong passwords.

type banArgs struct{ Source netip.Addr }

func clearBans(c *call, a *banArgs) error {
	n := c.box.LiftBans(a.Source)
	if n == 0 && a.Source.IsValid() {
		return fmt.Errorf("no wrong passwords came from %s: `show bans` lists the sources", a.Source)
	}
	c.printf("%s forgotten\n", plural.Of(n, "source"))
	return nil
}
