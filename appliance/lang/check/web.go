package check

import (
	"fmt"

	"viaduct/appliance/config"
)

// checkWeb checks who may look at the box over HTTPS, and where.
func checkWeb(c *checker) {
	w := &c.cfg.Web
	at := c.at(c.cfg, "Web.HTTPS")
	for _, s := range c.cfg.WebConflicts() {
		c.add(at, Error, fmt.Sprintf("port %d at %s belongs to %s: the web page is not served there, give it another port", s.Port, s.Address, s.By), "")
	}
	for _, net := range c.cfg.Console.Access {
		if open := net.Masked(); w.HTTPS.Port != 0 && !private(open) {
			c.add(at, Warning, fmt.Sprintf("the web page is open to %s, a public network (console access)", open), "")
		}
	}
	if p := w.TLS.In(c.cfg); p != nil {
		switch at := c.at(c.cfg, "Web.TLS"); {
		case w.HTTPS.Port == 0:
			c.add(at, Warning, "there is no web page to show the certificate: `webserver https` switches it on", "webserver https")
		case len(p.Own) == 0 || p.PrivateKey == "":
			c.add(at, Warning, "profile tls "+p.Name+" shows no certificate: the web server shows the box's own", "")
		case p.AuthIncoming:
			c.add(at, Note, "browsers are asked for no certificate, in spite of authentication incoming in profile tls "+p.Name+": accounts and tokens say who gets in", "")
		}
	}
	for n, t := range w.Tokens {
		at := c.at(c.cfg, "Web.Tokens", n)
		switch a := c.cfg.Account(t.Account); {
		case a == nil:
			c.add(at, Warning, "there is no account "+t.Account+": the token opens nothing", "")
		case t.Scope == config.TokenConfigures && a.Class == config.Operator:
			c.add(at, Warning, "account "+t.Account+" is an operator: the token cannot change the configuration", "")
		}
	}
}
