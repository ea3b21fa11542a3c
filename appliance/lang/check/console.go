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

// checkSyslog checks connections to syslog servers.
func checkSyslog(c *checker) {
	log := c.cfg.Syslog
	if log == nil {
		return
	}
	t, secured := log.TLS.In(c.cfg), false
	for n, r := range log.Remotes {
		if r.Transport != "tls" {
			continue
		}
		secured = true
		if t == nil && log.TLS.Name == "" {
			c.add(c.at(log, "Remotes", n), Error, "nothing says which servers to trust: nothing is sent without use profile tls", "")
		}
	}
	if secured && t != nil && !t.AuthOutgoing {
		c.in(t, Warning, "syslog-client sends the log over TLS without verifying the server's certificate", "authentication outgoing")
	}
}
