package netcfg

import (
	"slices"
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/status"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestSpeedAndDuplexAreSet(t *testing.T) {
	newWorld(t)
	// A tap device is the one kind without hardware whose driver lets its speed be chosen.
	check(t, netlink.LinkDel(must(netlink.LinkByName("eth01"))(t)))
	tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "eth01"}, Mode: netlink.TUNTAP_MODE_TAP, Queues: 1}
	check(t, netlink.LinkAdd(tap))
	defer tap.Fds[0].Close() // its carrier

	n := newNet(t)
	for _, step := range []struct {
		medium config.Medium
		change string
		speed  int // 0: whatever this kernel begins with
		duplex string
	}{
		{config.Medium{Speed: "auto", Duplex: "full"}, "", 0, "full"},
		{config.Medium{Speed: "100", Duplex: "half"}, "eth01: medium 100 half", 100, "half"},
		{config.Medium{Speed: "2500", Duplex: "full"}, "eth01: medium 2500 full", 2500, "full"},
		{config.Medium{Speed: "auto", Duplex: "full"}, "eth01: medium auto", 2500, "full"},
	} {
		cfg := testConfig()
		cfg.Ports[1].Medium = step.medium
		r := must(n.Apply(cfg))(t)
		medium := slices.DeleteFunc(r.Changes, func(s string) bool { return !strings.Contains(s, "medium") })
		if strings.Join(medium, "\n") != step.change {
			t.Errorf("medium %+v: changes %q", step.medium, medium)
		}
		if p := must(n.State(cfg))(t).Ports[1]; step.speed != 0 && p.Speed != step.speed || p.Duplex.String() != step.duplex {
			t.Errorf("medium %+v: the kernel has %d %s", step.medium, p.Speed, p.Duplex)
		}
		if r := must(n.Apply(cfg))(t); len(r.Changes) > 0 || len(r.Warnings) > 0 {
			t.Errorf("medium %+v, again: %q, %q", step.medium, r.Changes, r.Warnings)
		}
	}
	// What the process before us has set: a driver that could negotiate does not.
	cmd := ethtoolCmd{cmd: unix.ETHTOOL_SSET, supported: 1 << 6, speed: 100, duplex: 1}
	check(t, n.probe.ethtool("eth01", &cmd))
	if r := must(newNet(t).Apply(testConfig()))(t); !slices.Contains(r.Changes, "eth01: medium auto") {
		t.Errorf("after a restart: changes %q", r.Changes)
	}
	if r := must(newNet(t).Apply(testConfig()))(t); len(r.Changes) > 0 {
		t.Errorf("after a restart, again: changes %q", r.Changes)
	}
}

func TestAPortWhoseSpeedCannotBeSet(t *testing.T) {
	newWorld(t)
	cfg := testConfig()
	cfg.Ports[1].Medium = config.Medium{Speed: "100", Duplex: "full"}
	r := must(newNet(t).Apply(cfg))(t)
	if want := "port ethernet 0 1: this port cannot be set to 100 full"; !slices.Contains(r.Warnings, want) {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// vlanConfig is sipConfig with the PBX in VLAN 20 of the LAN port.
func vlanConfig() *config.Config {
	cfg := sipConfig()
	cfg.Ports[0].VLANs = []*config.VLAN{{ID: 20, Enabled: true, Bind: cfg.Ports[0].Bind}}
	cfg.Ports[0].Bind = config.IPBind{}
	return cfg
}

func TestVLANs(t *testing.T) {
	newWorld(t)
	cfg := vlanConfig()
	n := newNet(t)
	r, err := n.Apply(cfg)
	if !slices.Contains(r.Changes, "eth00.20: made") {
		want := "port ethernet 0 0 vlan 20: the kernel of this image has no VLANs (8021q): no packet of it goes in or out; use an untagged port of the switch"
		if !slices.Contains(r.Warnings, want) {
			t.Errorf("changes %q, warnings %q", r.Changes, r.Warnings)
		}
		return
	}
	check(t, err)
	if got := addressesOf(t, "eth00.20"); !slices.Equal(got, []string{"192.168.1.1/24"}) {
		t.Errorf("eth00.20 has %v", got)
	}
	if r := must(n.Apply(cfg))(t); len(r.Changes) > 0 {
		t.Errorf("again: changed %q", r.Changes)
	}
	r = must(n.Apply(testConfig()))(t)
	if !slices.Contains(r.Changes, "eth00.20: removed") {
		t.Errorf("without the VLAN: %q", r.Changes)
	}
}

// What becomes of a VLAN once the kernel has its device: a pair of devices stands for it, since not every kernel makes one.
func TestTheDeviceOfAVLANIsAPort(t *testing.T) {
	w := newWorld(t)
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth00.20"}, PeerName: "tagged", PeerNamespace: netlink.NsFd(w.peer)}))
	w.atPeer(func() { check(t, netlink.LinkSetUp(must(netlink.LinkByName("tagged"))(t))) })
	cfg := vlanConfig()
	cfg.IP[0].Interfaces[0].MTU = 1400
	n := firewallNet(t)
	r := must(n.Apply(cfg))(t)
	want := []string{"eth00: up", "eth00.20: MTU 1400, was 1500", "eth00.20: address 192.168.1.1/24 added", "eth00.20: up"}
	if got := without(r.Changes, "IPv6", "firewall", "eth01", "route"); !slices.Equal(got, want) || len(r.Warnings) > 0 {
		t.Errorf("changes %q, warnings %q", got, r.Warnings)
	}
	w.address("tagged", "192.168.1.100/24")
	w.address("tagged", "192.168.1.200/24")
	w.atPeer(func() { waitRunning(t, "tagged") })
	waitRunning(t, "eth00.20")
	w.try(t, []door{
		{"SIP from the PBX in the VLAN", "udp", "192.168.1.100", "192.168.1.1:5060", true},
		{"SSH: the VLAN is no management network", "tcp", "192.168.1.100", "192.168.1.1:22", false},
		{"SIP from a stranger in the VLAN", "udp", "192.168.1.200", "192.168.1.1:5060", false},
	})
	if p := must(n.State(cfg))(t).Ports[1]; p.VLAN != 20 || p.Name != "eth00.20" || p.State != status.LinkUp || p.Interface != "if_eth00" {
		t.Errorf("state %+v", p)
	}
	if r := must(n.Apply(cfg))(t); len(r.Changes) > 0 {
		t.Errorf("again: changed %q", r.Changes)
	}
	cfg.Ports[0].Enabled = false // the port takes its VLAN along
	if r, _ := n.Apply(cfg); !slices.Contains(r.Changes, "eth00.20: down") || !slices.Contains(r.Changes, "eth00: down") {
		t.Errorf("port shut: changed %q", r.Changes)
	}
}
