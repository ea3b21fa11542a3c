package lang

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
)

const network = `profile voip pf
  rtp dscp 34
profile acl WAN
  rule 1 permit udp 52.112.0.0/14 any port 16384 32767
  rule 2 deny ip 192.0.2.9 any
  rule 3 permit tcp microsoft-teams any port 5062
context ip ROUTER
  interface if_eth00
    ipaddress if_eth00 192.168.1.1/24
  interface if_eth01
    ipaddress if_eth01 dhcp
    use routing-table SECOND
    use profile acl in WAN
    use profile acl out WAN
  interface if_voice
    ipaddress v 10.0.0.1/24
  routing-table SECOND
    route 0.0.0.0/0 gateway 192.168.1.254
console access 198.51.100.0/24
context cs SWITCH
  interface sip I
    bind context sip-gateway G
    remote peer.example.org
    trust remote
    route call dest-interface I
  no shutdown
context sip-gateway G
  interface I
    transport-protocol udp+tcp 5060
    bind ipaddress ROUTER if_eth01 if_eth01
  no shutdown
port ethernet 0 0
  medium 100 half
  bind interface ROUTER if_eth00
  no shutdown
  vlan 20
    bind interface ROUTER if_voice
    no shutdown
port ethernet 0 1
  medium auto
  bind interface ROUTER if_eth01
  no shutdown
`

func TestTheNetworkIsConfigured(t *testing.T) {
	l := New()
	cfg, problems := l.Parse([]byte(network))
	if len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
	readsBack(t, l, cfg)
	wan, port := cfg.IP[0].Interfaces[1], cfg.Ports[0]
	if !wan.Addresses[0].DHCP || wan.Addresses[0].Name != "if_eth01" || wan.Table.Name != "SECOND" || wan.ACLIn.Name != "WAN" || wan.ACLOut.Name != "WAN" {
		t.Errorf("WAN %+v", wan)
	}
	if port.Medium != (config.Medium{Speed: "100", Duplex: "half"}) || cfg.Ports[1].Medium.Speed != "auto" || port.VLANs[0].ID != 20 || !port.VLANs[0].Enabled {
		t.Errorf("ports %+v, %+v", port, cfg.Ports[1])
	}
	if cfg.VoIP[0].DSCP != 34 || cfg.Console.Access[0].String() != "198.51.100.0/24" || len(cfg.ACL[0].Rules) != 3 || !cfg.ACL[0].Rules[2].Source.Teams || cfg.ACL[0].Rules[0].PortLast != 32767 {
		t.Errorf("%+v, %+v, %+v", cfg.VoIP[0], cfg.Console, cfg.ACL[0])
	}
	// A DHCP server may give the default route and name servers, so nothing is missing.
	for _, p := range l.Check(cfg, check.Env{}) {
		t.Errorf("%s", p)
	}
}

func TestWhatIsMissingInTheNetwork(t *testing.T) {
	l := New()
	for _, x := range []struct{ old, new, want string }{
		{"ipaddress if_eth01 dhcp", "ipaddress if_eth01 192.0.2.1/24", "no name server"},
		{"in WAN", "in WAM", "no such profile acl: WAM, did you mean WAN?"},
		{"use routing-table SECOND", "use routing-table THIRD", "no such routing-table: THIRD"},
		{"ROUTER if_voice", "ROUTER if_voise", "no such interface of context ip ROUTER: if_voise, did you mean if_voice?"},
		{"if_eth01 if_eth01", "if_eth01 other", "no such address of interface if_eth01: other"},
		{"rule 2 deny ip 192.0.2.9 any", "rule 2 deny ip nobody any", `"nobody" is not any`},
		// Lines that are taken, and would do something else than they say.
		{"rule 2 deny ip 192.0.2.9 any", "rule 2 deny icmp any any port 7", "icmp has no ports"},
		{"port 16384 32767", "port 32767 16384", "the rule applies to port 32767 only"},
		{"rule 2 deny ip 192.0.2.9 any", "rule 2 deny ip 192.0.2.9 2001:db8::/32", "the rule matches none"},
		{"medium auto", "medium auto half", "half is ignored; fix: medium auto"},
		{"ipaddress v 10.0.0.1/24", "ipaddress v 10.0.0.0/24", "10.0.0.0 is the address of the network"},
		{"ipaddress v 10.0.0.1/24", "ipaddress v 10.0.0.255/24", "10.0.0.255 is the broadcast address"},
		{"ipaddress v 10.0.0.1/24", "ipaddress v 224.0.0.5/24", "224.0.0.5 is a multicast address"},
		{"ipaddress v 10.0.0.1/24", "ipaddress v 192.168.0.1/16", "overlaps with interface if_eth00 (192.168.1.1/24)"},
		{"ipaddress v 10.0.0.1/24", "ipaddress v 10.0.0.1/24\n    media-ports 20001 20000", "media-ports 20001 20000 contains no pair"},
		{"ROUTER if_voice", "ROUTER if_eth00", "interface if_eth00 is already bound to port ethernet 0 0"},
		{"route 0.0.0.0/0 gateway 192.168.1.254", "route ::/0 gateway 192.168.1.254", "an IPv4 route needs an IPv4 gateway"},
		{"ipaddress if_eth01 dhcp", "ipaddress if_eth01 2001:db8::1/64", "SIP and media use IPv4 only: no peer can be reached from 2001:db8::1"},
		{"context sip-gateway G\n  interface I\n", "context sip-gateway G\n  interface J\n    transport-protocol udp+tcp 5060\n    bind ipaddress ROUTER if_eth00 if_eth00\n  interface I\n",
			"interface J of this gateway has udp+tcp too"},
		{"ipaddress v 10.0.0.1/24", "ipaddress v ::ffff:10.0.0.1/120", "is not an address with a prefix length"},
	} {
		var all []string
		for _, p := range l.CheckFile("f", []byte(strings.Replace(network, x.old, x.new, 1)), check.Env{}) {
			all = append(all, p.String())
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, x.want) {
			t.Errorf("%s: want %q in\n%s", x.new, x.want, text)
		}
	}
}

// IPv6 is off at a port until an address of it is configured, so it can be.
func TestIPv6IsConfigured(t *testing.T) {
	l := New()
	text := strings.NewReplacer("ipaddress if_eth00 192.168.1.1/24", "ipaddress if_eth00 192.168.1.1/24\n    ipaddress six 2001:db8:1::1/64",
		"rule 2 deny ip 192.0.2.9 any", "rule 2 deny ip 2001:db8:9::/48 any", "route 0.0.0.0/0 gateway 192.168.1.254", "route ::/0 gateway 2001:db8:1::2",
		"console access 198.51.100.0/24", "console access 2001:db8:1::/64\ndns-client server 2001:db8:1::53").Replace(network)
	cfg, problems := l.Parse([]byte(text))
	for _, p := range append(problems, l.Check(cfg, check.Env{})...) {
		t.Errorf("%s", p)
	}
	readsBack(t, l, cfg)
	if got := cfg.IP[0].Interfaces[0].Addresses[1].Prefix.String(); got != "2001:db8:1::1/64" {
		t.Errorf("address %s", got)
	}
}
