package config

import "net/netip"

// TeamsSignalling are the networks that Microsoft Teams signals from (`trust microsoft-teams`). Microsoft names 52.112.0.0/14
// and 52.122.0.0/15 since April 2023 and 52.120.0.0/14 before; this is the superset.
var TeamsSignalling = []netip.Prefix{netip.MustParsePrefix("52.112.0.0/14"), netip.MustParsePrefix("52.120.0.0/14")}

// TeamsMedia are the networks of its media processors and relays: today the same.
var TeamsMedia = TeamsSignalling
