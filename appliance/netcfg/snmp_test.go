package netcfg

import (
	"net/netip"
	"slices"
	"testing"

	"viaduct/appliance/config"
)

// Nobody reaches SNMP unless the configuration has somebody who may ask; then the LAN does, or exactly the networks that are named.
func TestFirewallLetsInStations(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	cfg := sipConfig()
	must(n.Apply(cfg))(t)
	w.address("peth00", "192.168.1.100/24", "192.168.1.7/24")
	w.address("peth01", "123.123.123.113/28", "198.51.100.9/24")
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth01") })
	doors := func(lan, wan, named bool) []door {
		return []door{
			{"the LAN", "udp", "192.168.1.7", "192.168.1.1:161", lan}, {"the LAN by TCP", "tcp", "192.168.1.7", "192.168.1.1:161", false},
			{"the WAN", "udp", "123.123.123.113", "123.123.123.123:161", wan}, {"the LAN address through the WAN port", "udp", "123.123.123.113", "192.168.1.1:161", false},
			{"a network on the WAN", "udp", "198.51.100.9", "123.123.123.123:161", named},
		}
	}
	w.try(t, doors(false, false, false))
	with := *cfg
	with.SNMP = &config.SNMP{Port: 161}
	must(n.Apply(&with))(t)
	w.try(t, doors(false, false, false)) // nobody may ask

	with.SNMP = &config.SNMP{Port: 161, Community: "c"}
	with.Console.Access = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} // who may log in may not therefore ask without encryption
	again := with
	must(n.Apply(&again))(t)
	w.try(t, doors(true, false, false))
	if got := again.ServiceAddresses(again.SNMP.Access); !slices.Equal(got, []netip.Addr{netip.MustParseAddr("192.168.1.1")}) {
		t.Errorf("it listens on %v", got)
	}

	third := with
	third.SNMP = &config.SNMP{Port: 161, Community: "c", Access: []netip.Prefix{netip.MustParsePrefix("198.51.100.9/32")}}
	must(n.Apply(&third))(t)
	w.try(t, doors(false, false, true))
	if got := third.ServiceAddresses(third.SNMP.Access); len(got) != 2 {
		t.Errorf("it listens on %v", got)
	}
}

// The same for collectors: not before somebody would have to prove who he is.
func TestFirewallLetsInCollectors(t *testing.T) {
	w := newWorld(t)
	n := firewallNet(t)
	cfg := sipConfig()
	w.address("peth00", "192.168.1.7/24")
	w.address("peth01", "123.123.123.113/28")
	must(n.Apply(cfg))(t)
	w.atPeer(func() { waitRunning(t, "peth00"); waitRunning(t, "peth01") })
	doors := func(lan bool) []door {
		return []door{{"the LAN", "tcp", "192.168.1.7", "192.168.1.1:9443", lan}, {"the WAN", "tcp", "123.123.123.113", "123.123.123.123:9443", false}}
	}
	with := *cfg
	with.TLS = []*config.TLSProfile{{Name: "M", Own: []config.OwnCertificate{{Index: 1, Name: "pki:certificate/M"}}, AuthIncoming: true}}
	with.Metrics = &config.Metrics{Port: 9443, TLS: config.Ref[config.Config, config.TLSProfile]{Name: "M"}}
	must(n.Apply(&with))(t)
	w.try(t, doors(false)) // anybody with a certificate of a built-in root could read
	again := with
	again.Metrics = &config.Metrics{Port: 9443, TLS: with.Metrics.TLS, Token: "0123456789abcdef"}
	must(n.Apply(&again))(t)
	w.try(t, doors(true))
}
