// Package role makes the configuration that a box of a pair goes by: the one that both boxes share, with the box's own addresses, and on a standby
// without all that only one of the two may do.
//
// It owns what a standby leaves off, and why. It does not own call records, which wait on a standby (package records), who is active (package duty) or what engines make of a configuration. It has no goroutines.
package role

import (
	"slices"

	"viaduct/appliance/config"
)

// Box is one of a pair. The zero Box stands alone.
type Box struct {
	Pair   *config.Redundancy // nil: it stands alone
	Number uint8              // 0: it is neither of the two
	Acts   bool               // it has the pair's addresses, and its calls
}

// leftOff is what a standby does without.
var leftOff = []struct {
	what, why string
	off       func(*config.Config)
}{
	{"SIP gateways, with registrations, probes and phones", "they belong to the pair's addresses: two boxes would register in turn, and answer for one another", func(c *config.Config) {
		c.Gateways = copies(c.Gateways, func(g *config.SIPGateway) { g.Enabled = false })
	}},
	{"settings for phones", "they are served at the pair's addresses", func(c *config.Config) {
		c.Provisioning = copies(c.Provisioning, func(p *config.ProvisioningService) { p.Enabled = false })
	}},
	{"presence of Teams users and extensions", "who does not see the calls would tell wrong things, and the quota of the tenant is one", func(c *config.Config) {
		c.Presence = copies(c.Presence, func(p *config.PresenceService) { p.Enabled = false })
	}},
	{"certificates that renew themselves", "the authority asks at the pair's addresses, and the standby gets what the active box obtains", func(c *config.Config) { c.ACME = nil }},
	{"copies of SIP messages", "there are none", func(c *config.Config) { c.HEP = nil }},
	{"the hub of a fleet, with its leases", "the pair is one member: the hub knows it by one key", func(c *config.Config) {
		if c.Fleet != nil {
			fleet := *c.Fleet
			fleet.Enabled = false
			c.Fleet = &fleet
		}
	}},
}

// copies are the parts of a list, changed; the list itself stays as it is.
func copies[T any](list []*T, change func(*T)) []*T {
	out := make([]*T, len(list))
	for n, x := range list {
		c := *x
		change(&c)
		out[n] = &c
	}
	return out
}

// Of returns the configuration that the box goes by, cfg itself when it stands alone.
func (b Box) Of(cfg *config.Config) *config.Config {
	if b.Pair == nil {
		return cfg
	}
	own := *cfg
	own.IP = copies(cfg.IP, func(x *config.IPContext) {
		x.Interfaces = copies(x.Interfaces, func(i *config.IPInterface) { i.Addresses = b.addresses(cfg, x.Name, i) })
	})
	if !b.Acts {
		for _, x := range leftOff {
			x.off(&own)
		}
	}
	return &own
}

// addresses are those of an interface of a context: at the pair's interfaces the box's own beside those of the pair, and on a standby the box's own alone.
func (b Box) addresses(cfg *config.Config, context string, i *config.IPInterface) []config.IPAddress {
	n := slices.IndexFunc(b.Pair.Interfaces, func(x *config.PairInterface) bool {
		at := cfg.IPInterface(x.Context, x.Interface)
		return at != nil && at.Name == i.Name && inContext(cfg, context, at)
	})
	if n < 0 {
		return i.Addresses
	}
	var list []config.IPAddress
	if b.Acts {
		list = slices.Clone(i.Addresses)
	}
	if b.Number != 0 {
		if own := b.Pair.Interfaces[n].Own(b.Number); own.IsValid() {
			list = append(list, config.IPAddress{Name: OwnAddress, Prefix: own})
		}
	}
	return list
}

// inContext reports whether an interface is one of a context.
func inContext(cfg *config.Config, context string, i *config.IPInterface) bool {
	x := config.Ref[config.Config, config.IPContext]{Name: context}.In(cfg)
	return x != nil && slices.Contains(x.Interfaces, i)
}

// OwnAddress is the name of a box's own address at an interface of the pair. No line of a configuration can have it.
const OwnAddress = "own address of the box"
