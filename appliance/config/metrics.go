package config

import "net/netip"

// Metrics is `metrics-server`: who may read the metrics over HTTPS.
type Metrics struct {
	TLS    Ref[Config, TLSProfile] // use profile tls
	Token  Secret                  // "": the profile demands a certificate
	Port   uint16                  // default 9443
	Access []netip.Prefix          // may ask, on any port; none: the networks at port ethernet 0 0
}

func (m *Metrics) SetDefaults() { m.Port = 9443 }

// MetricsTokenLength is how many characters a token has at least: nobody tries so many, so guesses are not counted.
const MetricsTokenLength = 16

// MetricsProfile is the profile that the metrics are served with; nil: nothing listens, because there is no profile, or nobody would have to
// prove anything. A certificate of the built-in roots proves nothing: half of the world has one.
func (c *Config) MetricsProfile() *TLSProfile {
	if c.Metrics == nil {
		return nil
	}
	p := c.Metrics.TLS.In(c)
	if p == nil || len(p.Own) == 0 || c.Metrics.Token == "" && !(p.AuthIncoming && len(p.Trusted) > 0) {
		return nil
	}
	return p
}
