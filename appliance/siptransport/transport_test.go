package siptransport

import (
	"net/netip"
	"reflect"
	"slices"
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

// A transport needs a line that opens its port: a field of config.GatewayInterface, and its row in Ports.
func TestEveryTransportHasItsPort(t *testing.T) {
	i := everyPort()
	side := newSide(i, ip("192.0.2.1"))
	for k, v := range reflect.ValueOf(i).Elem().Fields() {
		if v.Kind() == reflect.Uint16 && !slices.ContainsFunc(i.Ports(), func(p config.GatewayPort) bool { return p.Field == k.Name && p.Port == uint16(v.Uint()) }) {
			t.Errorf("config.GatewayInterface.Ports has no row for %s", k.Name)
		}
	}
	for _, p := range i.Ports() {
		for _, word := range p.Transports {
			if x, ok := ParseTransport(word); !ok || x.Secure() != p.Secure || side.port(x) != p.Port {
				t.Errorf("config.GatewayInterface.Ports, %s: %s at %d, secure %v; here it is at %d, secure %v", p.Word, word, p.Port, p.Secure, side.port(x), x.Secure())
			}
		}
	}
	for _, x := range Transports {
		if side.port(x) == 0 {
			t.Errorf("%s: no row of config.GatewayInterface.Ports has it", x)
		}
		if port := newSide(i, netip.Addr{}).port(x); port != 0 {
			t.Errorf("%s: an interface without an address listens at %d", x, port)
		}
	}
}

// everyPort is an interface with a port in every field that is one.
func everyPort() *config.GatewayInterface {
	i := &config.GatewayInterface{}
	for k, v := range reflect.ValueOf(i).Elem().Fields() {
		if k.Type.Kind() == reflect.Uint16 {
			v.SetUint(5060 + uint64(k.Index[0]))
		}
	}
	return i
}

func TestEveryTransportCanBeForced(t *testing.T) {
	var words []string
	for _, x := range Transports {
		words = append(words, x.String())
	}
	slices.Sort(words)
	if got := slices.Sorted(slices.Values(config.TransportNames)); !slices.Equal(got, words) {
		t.Errorf("config.TransportNames are %q, the transports %q", got, words)
	}
}

// Requests leave a gateway that has one line by what that line opens.
func TestTheTransportOfAGatewayWithOneLine(t *testing.T) {
	full := everyPort()
	for _, p := range full.Ports() {
		one := &config.GatewayInterface{}
		reflect.ValueOf(one).Elem().FieldByName(p.Field).SetUint(uint64(p.Port))
		c := &Conf{Gateway: &config.SIPGateway{}, binds: []Side{newSide(one, ip("192.0.2.1"))}}
		if got := c.TransportFor(nil, ""); !slices.Contains(p.Transports, got.String()) {
			t.Errorf("transport-protocol %s alone: requests go by %s", p.Word, got)
		}
	}
}
