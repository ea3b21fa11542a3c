package siptransport

import (
	"net/netip"
	"testing"

	"viaduct/appliance/config"
)

func TestTransportsAreReadAndWritten(t *testing.T) {
	for _, x := range Transports {
		if got, ok := ParseTransport(x.String()); !ok || got != x {
			t.Errorf("%s is read as %s", x, got)
		}
		if x.DefaultPort() == 0 || kinds[x].via == "" || kinds[x].service == "" || kinds[x].proto == "" {
			t.Errorf("%s: %+v", x, kinds[x])
		}
	}
	for _, word := range []string{"", "TLS", "sctp"} {
		if got, ok := ParseTransport(word); ok {
			t.Errorf("%q is read as %s", word, got)
		}
	}
}

// A transport without a line of its own must not listen at the port of another.
func TestEveryTransportHasItsPort(t *testing.T) {
	i := &config.GatewayInterface{UDPTCP: 5060, TLS: 5061}
	for _, x := range Transports {
		if (Side{i, netip.MustParseAddr("192.0.2.1")}).port(x) == 0 {
			t.Errorf("%s: Side.configured does not know it, or i of this test has no port for it", x)
		}
		if port := (Side{i, netip.Addr{}}).port(x); port != 0 {
			t.Errorf("%s: an interface without an address listens at %d", x, port)
		}
	}
}
