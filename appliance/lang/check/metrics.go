package check

import (
	"fmt"
	"unicode/utf8"

	"viaduct/appliance/config"
)

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
