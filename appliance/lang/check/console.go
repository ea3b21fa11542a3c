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
		c.add(w, Warning, "Telnet is not encrypted: passwords and input can be read on the network. Use SSH", "no console telnet")
		for _, net := range c.cfg.Console.Access {
			if !net.Addr().IsPrivate() {
				c.add(w, Warning, fmt.Sprintf("Telnet is open to %s, a public network", net), "no console telnet")
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
