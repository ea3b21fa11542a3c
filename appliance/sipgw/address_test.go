package sipgw

import "net/netip"

// addrPort is an address of a test, "host:port".
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
