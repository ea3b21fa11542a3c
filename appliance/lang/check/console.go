package check

import (
	"fmt"
	"slices"

	"viaduct/appliance/config"
)

// checkConsole checks remote access to the command line.
func checkConsole(c *checker) {
	if c.cfg.Console.Telnet != 0 {
		w := c.at(c.cfg, "Telnet")
		c.add(w, Warning, "Telnet shows passwords and all that is typed to anybody on the way: SSH does not", "no console telnet")
		for _, net := range c.cfg.Console.Access {
			if !net.Addr().IsPrivate() {
				c.add(w, Warning, fmt.Sprintf("Telnet can be reached from %s, over the WAN port", net), "no console telnet")
			}
		}
	}
	for n, k := range c.cfg.PublicKeys {
		accounts := names(c.cfg.Accounts, func(a *config.Account) string { return a.Name })
		if !slices.Contains(accounts, k.Account) {
			c.add(c.at(c.cfg, "PublicKeys", n), Warning, "there is no account "+k.Account+": the key opens nothing", "")
		}
	}
}
