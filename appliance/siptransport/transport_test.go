package siptransport

import "testing"

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
