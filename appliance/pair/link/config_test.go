package link

import (
	"net/netip"
	"strings"

	"viaduct/appliance/config"
)

func nobody() *config.Config { return &config.Config{} }

// pairOf is a pair whose first box has a key.
func pairOf(key string) *config.Config {
	own := func(text string) []*config.PairAddress {
		return []*config.PairAddress{{Number: 1, Prefix: netip.MustParsePrefix(text + ".1/24")}, {Number: 2, Prefix: netip.MustParsePrefix(text + ".2/24")}}
	}
	return &config.Config{Redundancy: &config.Redundancy{
		Enabled: true, Router: 1, Boxes: []*config.PairBox{{Number: 1, Key: key}, {Number: 2, Key: strings.Repeat("cd", 32)}},
		Interfaces: []*config.PairInterface{{Boxes: own("192.168.1")}, {Boxes: own("10.0.0"), Direct: true}},
	}}
}
