package party

import (
	"strings"

	"viaduct/appliance/config"
)

// IsOurHost reports whether a host that a peer names is this box.
func IsOurHost(cfg *config.Config, i *config.SIPInterface, host string) bool {
	names := []string{i.Local.Host}
	if gw := i.Gateway.In(cfg); gw != nil {
		for _, g := range gw.Interfaces {
			names = append(names, g.SpoofedContact.Host, g.SpoofedVia.Host)
			if a := cfg.Address(g.Bind); a.IsValid() {
				names = append(names, a.String())
			}
		}
	}
	for _, n := range names {
		if n != "" && strings.EqualFold(n, host) {
			return true
		}
	}
	return false
}
