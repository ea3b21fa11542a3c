package config

import "testing"

func TestPortsAreSecureOrPlain(t *testing.T) {
	for _, x := range []struct {
		i             GatewayInterface
		secure, plain bool
	}{
		{GatewayInterface{}, false, false},
		{GatewayInterface{UDPTCP: 5060}, false, true},
		{GatewayInterface{TLS: 5061}, true, false},
		{GatewayInterface{UDPTCP: 5060, TLS: 5061}, true, true},
	} {
		if x.i.Secure() != x.secure || x.i.Plain() != x.plain {
			t.Errorf("%+v: secure %v, plain %v", x.i, x.i.Secure(), x.i.Plain())
		}
	}
}
