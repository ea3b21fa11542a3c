package role

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// shared is a configuration of a pair, with something of all that a standby leaves off.
func shared() *config.Config {
	router := config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}
	at := func(name, one, two string, direct bool) *config.PairInterface {
		return &config.PairInterface{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: name}, Direct: direct, Boxes: []*config.PairAddress{
			{Number: 1, Prefix: netip.MustParsePrefix(one)}, {Number: 2, Prefix: netip.MustParsePrefix(two)}}}
	}
	c := config.New()
	c.IP = []*config.IPContext{{Name: "ROUTER", Interfaces: []*config.IPInterface{
		{Name: "LAN", Addresses: []config.IPAddress{{Name: "LAN", Prefix: netip.MustParsePrefix("192.168.1.1/24")}}},
		{Name: "OTHER", Addresses: []config.IPAddress{{Name: "OTHER", Prefix: netip.MustParsePrefix("10.1.0.1/16")}}},
		{Name: "DIRECT"},
	}}, {Name: "ELSEWHERE", Interfaces: []*config.IPInterface{{Name: "LAN", Addresses: []config.IPAddress{{Name: "LAN", Prefix: netip.MustParsePrefix("10.2.0.1/16")}}}}}}
	bind := config.IPBind{Context: router, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: "LAN"}}
	c.Ports = []*config.EthernetPort{{Enabled: true, Bind: bind}}
	c.Gateways = []*config.SIPGateway{{Name: "GW", Enabled: true}}
	c.Provisioning = []*config.ProvisioningService{{Name: "PHONES", Enabled: true}}
	c.Presence = []*config.PresenceService{{Name: "TEAMS", Enabled: true}}
	c.ACME = []*config.ACMEProfile{{Name: "LE"}}
	c.HEP = &config.HEP{}
	c.Fleet = &config.Fleet{Enabled: true}
	c.Redundancy = &config.Redundancy{Router: 51, Boxes: []*config.PairBox{{Number: 1, Key: strings.Repeat("a", 64)}, {Number: 2, Key: strings.Repeat("b", 64)}},
		Interfaces: []*config.PairInterface{at("LAN", "192.168.1.2/24", "192.168.1.3/24", false), at("DIRECT", "10.99.0.1/30", "10.99.0.2/30", true)}}
	c.Redundancy.SetDefaults()
	return c
}

func addresses(c *config.Config) string {
	var list []string
	for _, x := range c.IP {
		for _, i := range x.Interfaces {
			for _, a := range i.Addresses {
				list = append(list, a.Prefix.Addr().String())
			}
		}
	}
	return strings.Join(list, " ")
}

func TestABoxAloneGoesByItsConfiguration(t *testing.T) {
	c := shared()
	c.Redundancy = nil
	if (Box{Acts: true}).Of(c) != c {
		t.Error("another configuration")
	}
}

func TestAddressesByRole(t *testing.T) {
	c := shared()
	before := shared()
	for _, x := range []struct {
		box  Box
		want string
	}{
		{Box{c.Pair(), 1, true}, "192.168.1.1 192.168.1.2 10.1.0.1 10.99.0.1 10.2.0.1"},
		{Box{c.Pair(), 2, false}, "192.168.1.3 10.1.0.1 10.99.0.2 10.2.0.1"},
		{Box{c.Pair(), 0, false}, "10.1.0.1 10.2.0.1"},
	} {
		got := x.box.Of(c)
		if addresses(got) != x.want {
			t.Errorf("box %d, acting %v: %s, want %s", x.box.Number, x.box.Acts, addresses(got), x.want)
		}
		if web := got.ServiceAddresses(nil); x.box.Number != 0 && web[len(web)-1] != x.box.Pair.Interfaces[0].Own(x.box.Number).Addr() {
			t.Errorf("the box is managed at %v", web)
		}
	}
	if !reflect.DeepEqual(c, before) {
		t.Error("the shared configuration has changed")
	}
}

func TestWhatAStandbyLeavesOff(t *testing.T) {
	c := shared()
	active, standby := Box{c.Pair(), 1, true}.Of(c), Box{c.Pair(), 1, false}.Of(c)
	if !active.Gateways[0].Enabled || !active.Provisioning[0].Enabled || !active.Presence[0].Enabled || len(active.ACME) != 1 || active.HEP == nil || !active.Fleet.Enabled {
		t.Error("the active box leaves something off")
	}
	if standby.Gateways[0].Enabled || standby.Provisioning[0].Enabled || standby.Presence[0].Enabled || len(standby.ACME) > 0 || standby.HEP != nil || standby.Fleet.Enabled {
		t.Errorf("the standby has something on: %+v", standby)
	}
	for _, x := range leftOff {
		if x.what == "" || x.why == "" {
			t.Errorf("%+v", x)
		}
	}
}
