package config

import (
	"net/netip"
	"slices"
)

// SNMP is `snmp-server`: who may read the state of the box, and who is told when it changes.
type SNMP struct {
	Community Secret // of v2c; "": v2c is not answered
	Users     []SNMPUser
	Port      uint16         // default 161
	Access    []netip.Prefix // may ask, on any port; none: the networks at port ethernet 0 0
	Contact   string
	Location  string
	Targets   []SNMPTarget
}

func (s *SNMP) SetDefaults() { s.Port = 161 }

// SNMPUser is `user NAME authentication PASSWORD [privacy PASSWORD]`: a user of v3, with HMAC-SHA-256 and AES-128. Its messages have to be
// encrypted if there is a password for that.
type SNMPUser struct {
	Name                    string
	Authentication, Privacy Secret // Privacy may be ""
}

// SNMPPasswordLength is how many characters a password of v3 has at least (RFC 3414 11.2).
const SNMPPasswordLength = 8

// SNMPTarget is `trap-target HOST [port N] [user NAME]`.
type SNMPTarget struct {
	Host string // name or address
	Port uint16 // default 162
	User string // of v3; "": v2c, with the community
}

func (t *SNMPTarget) SetDefaults() { t.Port = 162 }

// Listens reports whether anybody may ask.
func (s *SNMP) Listens() bool { return s != nil && (s.Community != "" || len(s.Users) > 0) }

// ServiceAddresses are those of the box at which a service of its own can be asked: on every port that is up if the configuration says
// which networks have access, else on port ethernet 0 0 alone.
func (c *Config) ServiceAddresses(access []netip.Prefix) (list []netip.Addr) {
	add := func(b IPBind) {
		if i := c.IPInterface(b.Context, b.Interface); i != nil {
			for _, a := range i.Addresses {
				if a.Prefix.IsValid() && !slices.Contains(list, a.Prefix.Addr()) {
					list = append(list, a.Prefix.Addr())
				}
			}
		}
	}
	everywhere := len(access) > 0
	for _, p := range c.Ports {
		if !p.Enabled || !everywhere && (p.Slot != 0 || p.Port != 0) {
			continue
		}
		add(p.Bind)
		for _, v := range p.VLANs {
			if everywhere && v.Enabled {
				add(v.Bind)
			}
		}
	}
	return list
}

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
