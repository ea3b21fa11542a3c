package lang

import (
	"fmt"
	"net/netip"
	"time"

	"viaduct/appliance/plural"
)

// Who is shut out because of wrong passwords.

func showBans(c *call, _ *none) error {
	rows := [][]string{{"Source", "Wrong passwords", "Shut out for"}}
	for _, b := range c.box.Bans() {
		left := "-"
		if b.Left > 0 {
			left = span(b.Left.Round(time.Second))
		}
		rows = append(rows, []string{sourceName(b.Source), fmt.Sprint(b.Wrong), left})
	}
	if len(rows) == 1 {
		c.printf("No wrong passwords in the last ten minutes.\n")
		return nil
	}
	c.columns(rows)
	return nil
}

// sourceName is a source as it is counted: an address, or the network of one of IPv6.
func sourceName(a netip.Addr) string {
	if a.Is6() {
		return netip.PrefixFrom(a, 64).String()
	}
	return a.String()
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
