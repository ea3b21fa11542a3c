package netcfg

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
)

// Phones fetch their settings from the LAN, at the one address that a provisioning-service is bound to, and nobody else does anywhere.
func TestFirewallLetsPhonesFetch(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	cfg := sipConfig()
	w.address("peth00", "192.168.1.7/24")
	w.address("peth01", "123.123.123.113/28")
	must(n.Apply(cfg))(t)
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth01") })
	doors := func(http, tftp bool) []door {
		return []door{
			{"HTTP from the LAN", "tcp", "192.168.1.7", "192.168.1.1:8080", http}, {"HTTP from the WAN", "tcp", "123.123.123.113", "123.123.123.123:8080", false},
			{"TFTP from the LAN", "udp", "192.168.1.7", "192.168.1.1:69", tftp}, {"TFTP from the WAN", "udp", "123.123.123.113", "123.123.123.123:69", false},
			{"the LAN address through the WAN port", "udp", "123.123.123.113", "192.168.1.1:69", false},
		}
	}
	w.try(t, doors(false, false))
	apply := func(iface string, change func(p *config.ProvisioningService)) *config.Config {
		with := *cfg
		p := &config.ProvisioningService{Name: "PROV", Enabled: true, HTTP: config.ProvisioningHTTP{Port: 8080}, TFTP: true, Bind: config.AddressBind{
			Context: config.Ref[config.Config, config.IPContext]{Name: "ROUTER"}, Interface: config.Ref[config.IPContext, config.IPInterface]{Name: iface}, Address: iface}}
		change(p)
		with.Provisioning = []*config.ProvisioningService{p}
		must(n.Apply(&with))(t)
		return &with
	}
	apply("if_eth00", func(*config.ProvisioningService) {})
	w.try(t, doors(true, true))
	apply("if_eth00", func(p *config.ProvisioningService) { p.TFTP = false })
	w.try(t, doors(true, false))
	apply("if_eth00", func(p *config.ProvisioningService) { p.Enabled = false })
	w.try(t, doors(false, false))
	with := apply("if_eth01", func(*config.ProvisioningService) {})
	w.try(t, doors(false, false))
	if _, why := with.ProvisioningAddress(with.Provisioning[0]); !strings.Contains(why, "not in the LAN") {
		t.Errorf("it is not served at the WAN because %q", why)
	}

	// A group needs its own rule, and IGMP: switches forget who does not answer their queries.
	text := n.stands.String()
	if strings.Contains(text, "224.0.1.75") || strings.Contains(text, "igmp") {
		t.Errorf("the group is open to nobody's use:\n%s", text)
	}
	apply("if_eth00", func(p *config.ProvisioningService) { p.HTTP.Port, p.TFTP, p.PnP = 0, false, true })
	text = n.stands.String()
	for _, want := range []string{"ip daddr 224.0.1.75 ip saddr { 10.108.0.0/16, 192.168.1.0/24 } udp dport 5060 accept", "meta l4proto igmp limit"} {
		if !strings.Contains(text, want) {
			t.Errorf("the firewall lacks %q:\n%s", want, text)
		}
	}
	w.try(t, doors(false, false))
}
