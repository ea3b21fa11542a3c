package config

import (
	"net/netip"
	"slices"
	"strings"
)

// TeamsSignalling are the networks that Microsoft Teams signals from (`trust microsoft-teams`). Microsoft names 52.112.0.0/14
// and 52.122.0.0/15 since April 2023 and 52.120.0.0/14 before; this is the superset.
var TeamsSignalling = []netip.Prefix{netip.MustParsePrefix("52.112.0.0/14"), netip.MustParsePrefix("52.120.0.0/14")}

// TeamsPresent are the networks of TeamsSignalling that Microsoft names today: whoever trusts them all loses no call.
var TeamsPresent = []netip.Prefix{netip.MustParsePrefix("52.112.0.0/14"), netip.MustParsePrefix("52.122.0.0/15")}

// TeamsGovernment are the networks of the clouds of the US government, by the domains of their hubs. `trust microsoft-teams` does not
// mean them: who is served by one cloud needs to trust no other.
var TeamsGovernment = map[string]netip.Prefix{
	"pstnhub.gov.teams.microsoft.us": netip.MustParsePrefix("52.127.88.0/21"),
	"pstnhub.dod.teams.microsoft.us": netip.MustParsePrefix("52.127.64.0/21"),
}

// Present are the networks from which the hub of an interface may call.
func (i *SIPInterface) Present() []netip.Prefix {
	for domain, network := range TeamsGovernment {
		if strings.HasSuffix("."+strings.ToLower(strings.TrimSuffix(i.Remote.Host, ".")), "."+domain) {
			return []netip.Prefix{network}
		}
	}
	return slices.Clone(TeamsPresent)
}

// Untrusted returns those networks from which the hub may call that the interface does not trust as a whole.
func (i *SIPInterface) Untrusted() []netip.Prefix {
	return slices.DeleteFunc(i.Present(), func(need netip.Prefix) bool {
		return slices.ContainsFunc(i.Trust, func(s Source) bool {
			return s.Teams && ofTeams(need) || s.Prefix.IsValid() && s.Prefix.Bits() <= need.Bits() && s.Prefix.Contains(need.Addr())
		})
	})
}

// TeamsMedia are the networks of its media processors and relays: today the same.
var TeamsMedia = TeamsSignalling

// TeamsNetworks are both: what `microsoft-teams` means where signalling and media are not told apart.
var TeamsNetworks = TeamsSignalling

// teamsDomains hold the names of Teams' hubs: sip.pstnhub.microsoft.com, and for the US government sip.pstnhub.gov.teams.microsoft.us.
var teamsDomains = []string{"pstnhub.microsoft.com", "teams.microsoft.us"}

// Teams reports whether the peer of an interface is Microsoft Teams, which demands some things that others do not have, and knows
// some things not that others do. It is by its remote, a name or an address, or by what the interface trusts.
func (i *SIPInterface) Teams() bool {
	return TeamsHost(i.Remote.Host) || slices.ContainsFunc(i.Trust, func(s Source) bool { return s.Teams || s.Prefix.IsValid() && ofTeams(s.Prefix) })
}

// TeamsHost reports whether a remote host is one of Microsoft's hubs, by its name or its address.
func TeamsHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return TeamsHub(host) || err == nil && ofTeams(netip.PrefixFrom(a, a.BitLen()))
}

// TeamsHub reports whether a host name is one of Microsoft's hubs.
func TeamsHub(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(teamsDomains, func(d string) bool { return host == d || strings.HasSuffix(host, "."+d) })
}

// ofTeams reports whether a network is part of those of Teams.
func ofTeams(n netip.Prefix) bool {
	return slices.ContainsFunc(TeamsSignalling, func(t netip.Prefix) bool { return t.Bits() <= n.Bits() && t.Contains(n.Addr()) })
}

// FacesTeams reports whether a gateway of an interface towards Teams uses a TLS profile.
func (c *Config) FacesTeams(p *TLSProfile) bool {
	return slices.ContainsFunc(c.CS, func(s *Switch) bool {
		return slices.ContainsFunc(s.Interfaces, func(i *SIPInterface) bool {
			g := i.Gateway.In(c)
			return i.Teams() && g != nil && g.TLS.In(c) == p
		})
	})
}
