package check

import (
	"fmt"
	"net/netip"
	"slices"
	"unicode/utf8"

	"viaduct/appliance/config"
)

// SNMPUser says why a user of SNMP is left out; "": it is not.
func SNMPUser(u config.SNMPUser) string {
	switch {
	case Sealed(u.Authentication) || Sealed(u.Privacy):
		return "its password cannot be read"
	case short(u.Authentication) || u.Privacy != "" && short(u.Privacy):
		return fmt.Sprintf("a password has fewer than %d characters", config.SNMPPasswordLength)
	case len(u.Name) > 32:
		return "its name has more than 32 characters"
	}
	return ""
}

func short(s config.Secret) bool {
	return utf8.RuneCountInString(string(s)) < config.SNMPPasswordLength
}

// checkSNMP checks who may read the box, and who is told.
func checkSNMP(c *checker) {
	s := c.cfg.SNMP
	if s == nil {
		return
	}
	if !s.Listens() {
		c.in(s, Warning, "snmp-server has neither a community nor a user: nothing listens, and no traps are sent", "")
		return
	}
	if Sealed(s.Community) {
		c.add(c.at(s, "Community"), Warning, Unopened, "")
	}
	for n, u := range s.Users {
		switch why := SNMPUser(u); {
		case Sealed(u.Authentication) || Sealed(u.Privacy):
			c.add(c.at(s, "Users", n), Warning, Unopened, "")
		case why != "":
			c.add(c.at(s, "Users", n), Error, fmt.Sprintf("user %s is left out: %s", u.Name, why), "")
		}
	}
	for n, t := range s.Targets {
		switch {
		case t.User == "" && s.Community == "":
			c.add(c.at(s, "Targets", n), Warning, "no traps are sent to "+t.Host+": v2c needs a community, v3 a user", "")
		case t.User != "" && !slices.ContainsFunc(s.Users, func(u config.SNMPUser) bool { return u.Name == t.User }):
			c.add(c.at(s, "Targets", n), Error, fmt.Sprintf("no such user: %s: no traps are sent to %s", t.User, t.Host), "")
		}
	}
	for n, net := range s.Access {
		if open := net.Masked(); s.Community != "" && !private(open) {
			c.add(c.at(s, "Access", n), Warning, fmt.Sprintf("v2c is open to %s, a public network, and is not encrypted: use users of v3", open), "")
		}
	}
}

func private(n netip.Prefix) bool {
	return n.Addr().IsPrivate() || n.Addr().IsLoopback() || n.Addr().IsLinkLocalUnicast()
}

// MetricsToken says why a token is not used; "": it is.
func MetricsToken(token config.Secret) string {
	switch {
	case Sealed(token):
		return Unopened
	case token != "" && utf8.RuneCountInString(string(token)) < config.MetricsTokenLength:
		return fmt.Sprintf("the token has fewer than %d characters, so nothing listens", config.MetricsTokenLength)
	}
	return ""
}

// checkMetrics checks who may read the metrics.
func checkMetrics(c *checker) {
	m := c.cfg.Metrics
	if m == nil {
		return
	}
	p := m.TLS.In(c.cfg)
	switch why := MetricsToken(m.Token); {
	case why != "":
		c.add(c.at(m, "Token"), Warning, why, "")
	case m.TLS.IsZero():
		c.in(m, Warning, "metrics-server has no profile tls: nothing listens", "")
	case p == nil: // the reference is reported
	case len(p.Own) == 0:
		c.add(c.at(m, "TLS"), Warning, "profile tls "+p.Name+" shows no certificate: nothing listens", "")
	case c.cfg.MetricsProfile() == nil:
		c.in(m, Warning, "anybody could read the metrics, so nothing listens: set a token, or have profile tls "+p.Name+" demand certificates (authentication incoming) that trusted-certificate lines of its own verify", "")
	}
}
