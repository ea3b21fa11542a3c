package netcfg

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// chain is a chain of the table. Hook is nil for one that is reached by jumps only.
type chain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	title    string // for people
	rules    []rule
}

func (c *chain) add(parts ...part) { c.rules = append(c.rules, parts) }

// ruleset is the table. As text it has the syntax of nft.
type ruleset []*chain

func (r ruleset) String() string {
	var b strings.Builder
	for _, c := range r {
		b.WriteString("chain " + c.name + " {" + c.title + "\n")
		for _, r := range c.rules {
			b.WriteString("\t" + r.String() + "\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// size counts the rules.
func (r ruleset) size() (rules int) {
	for _, c := range r {
		rules += len(c.rules)
	}
	return rules
}

// wall is a ruleset under construction.
type wall struct {
	*job
	set      ruleset
	acls     map[*config.ACL]*chain
	gateways map[*config.SIPGateway]*chain
	peers    []*peer // the kernel counts their dropped packets
	// lateChains are the targets of jumps from a port's chain; they stand behind it.
	lateChains []*chain
}

// build makes the firewall of the configuration. It drops packets on a port unless the configuration asks for them, and ignores other
// devices. It forwards nothing from or to a port: the box is no router, and both sides of a call end in it.
//
// Chains have numbers for names. The kernel limits the length of a name, the configuration should not.
func (j *job) build() *wall {
	input := &chain{name: "input", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, priority: nftables.ChainPriorityFilter, title: " # hook input, priority 0"}
	output := &chain{name: "output", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, priority: nftables.ChainPriorityFilter, title: " # hook output, priority 0"}
	forward := &chain{name: "forward", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookForward, priority: nftables.ChainPriorityFilter, title: " # hook forward, priority 0"}
	rawIn := &chain{name: "untracked-in", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, priority: nftables.ChainPriorityRaw, title: " # hook prerouting, priority -300"}
	rawOut := &chain{name: "untracked-out", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, priority: nftables.ChainPriorityRaw, title: " # hook output, priority -300"}
	refused := &chain{name: droppedChain, title: " # what is not let in"}
	w := &wall{job: j, set: ruleset{rawIn, rawOut, input, output, forward, refused}, acls: map[*config.ACL]*chain{}, gateways: map[*config.SIPGateway]*chain{}}
	for _, p := range j.ports {
		if p.unconfigured {
			continue
		}
		in := &chain{name: portChain + p.device}
		if p.conf != nil {
			if first, last := p.conf.MediaPortFirst, p.conf.MediaPortLast; first > 0 && first <= last {
				// Connection tracking costs more than relaying a packet; the relay knows its own connections.
				rawIn.add(device("iifname", p.device), ports("udp", "dport", first, last), notrack)
				rawOut.add(device("oifname", p.device), ports("udp", "sport", first, last), notrack)
			}
			// A segment fits when IPv4 and TCP headers of 20 octets each fit beside it.
			size := uint16(mtuOf(p) - 40)
			if p.conf.AdjustMSSTx == "mtu" {
				output.add(device("oifname", p.device), segment(size))
			}
			if p.conf.AdjustMSSRx == "mtu" {
				in.add(segment(size))
			}
		}
		w.lists(p, in, output)
		input.add(device("iifname", p.device), jump(in.name))
		forward.add(device("iifname", p.device), drop)
		forward.add(device("oifname", p.device), drop)
		w.set = append(w.set, in)
		w.open(p, in, refused)
		in.add(counter, refuse)
		w.set = append(w.set, w.lateChains...)
		w.lateChains = nil
	}
	if len(j.ports) == 0 || len(input.rules) == 0 {
		return &wall{job: j}
	}
	refused.add(drop)
	return w
}

// open accepts the packets that the configuration allows on a port.
func (w *wall) open(p *port, in, refused *chain) {
	addrs := p.addresses()
	if len(addrs) == 0 {
		return
	}
	for _, a := range addrs {
		if p.seat != nil && a == p.seat.own {
			continue // calls have the pair's addresses
		}
		if first, last := p.conf.MediaPortFirst, p.conf.MediaPortLast; first > 0 && first <= last {
			in.add(address("daddr", single(a.Addr())), ports("udp", "dport", first, last), accept)
		}
	}
	control := controls(addrs)
	in.pings(control)
	w.paired(p, in)
	in.add(connection("established,related", expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept)
	in.errors(control)
	w.orphans(p, in)
	in.add(connection("invalid", expr.CtStateBitINVALID), counter, refuse)
	for _, g := range w.cfg.Gateways {
		for _, i := range g.Interfaces {
			a := w.cfg.Address(i.Bind)
			if !g.Enabled || !a.IsValid() || w.cfg.IPInterface(i.Bind.Context, i.Bind.Interface) != p.conf {
				continue
			}
			for _, s := range i.Ports() {
				for _, protocol := range s.Protocols {
					socket := []part{address("daddr", single(a)), ports(protocol, "dport", s.Port, s.Port)}
					in.add(append(slices.Clone(socket), jump(w.trusted(g)))...)
					w.watch(g, refused, socket)
				}
			}
		}
	}
	for _, s := range w.Net.open {
		if slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr() == s.Addr() }) {
			in.add(address("daddr", single(s.Addr())), ports("tcp", "dport", s.Port(), s.Port()), accept)
		}
	}
	w.admit(p, in, w.cfg.Console.Access, slices.Concat(w.o.Services, consoles(w.cfg)))
	if s := w.cfg.SNMP; s.Listens() {
		w.admit(p, in, s.Access, []Service{{"snmp", "udp", s.Port}})
	}
	if w.cfg.MetricsProfile() != nil {
		w.admit(p, in, w.cfg.Metrics.Access, []Service{{"metrics", "tcp", w.cfg.Metrics.Port}})
	}
	w.provision(p, in)
}

// provision lets phones in the LAN fetch their settings. A group is joined by IGMP: without the queries of switches they forget who is in it.
func (w *wall) provision(p *port, in *chain) {
	joined := false
	for _, s := range w.cfg.ProvisioningSockets() {
		if !slices.ContainsFunc(p.addresses(), func(a netip.Prefix) bool { return a.Addr() == s.Local.Addr() }) {
			continue
		}
		for _, source := range among("saddr", w.attached(p)) {
			in.add(address("daddr", single(s.At.Addr())), source, ports(s.Protocol, "dport", s.At.Port(), s.At.Port()), accept)
		}
		if s.At.Addr().IsMulticast() && !joined {
			joined = true
			in.add(protocol("igmp"), rate(20), accept)
		}
	}
}

// consoles are the doors of the box that the configuration opens, beside those that are always there.
func consoles(cfg *config.Config) (list []Service) {
	if t := cfg.Console.Telnet; t != 0 {
		list = append(list, Service{"telnet", "tcp", t})
	}
	if addresses, redirect := cfg.WebAddresses(); len(addresses) > 0 {
		list = append(list, Service{"https", "tcp", cfg.Web.HTTPS.Port})
		if redirect {
			list = append(list, Service{"http", "tcp", config.RedirectPort})
		}
	}
	return list
}

// admit lets the networks that have access to services through.
func (w *wall) admit(p *port, in *chain, access []netip.Prefix, services []Service) {
	for _, source := range among("saddr", w.management(p, access)) {
		for _, s := range services {
			in.add(source, ports(s.Protocol, "dport", s.Port, s.Port), accept)
		}
	}
}

// messages are the accepted types of one control protocol.
type messages struct {
	protocol string // "icmp" or "icmpv6"
	errors   []string
}

// controls are the messages that keep IP working, for the families of these addresses.
func controls(addrs []netip.Prefix) (list []messages) {
	if slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr().Is4() }) {
		list = append(list, messages{"icmp", []string{"destination-unreachable", "time-exceeded", "parameter-problem"}})
	}
	if slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr().Is6() }) {
		list = append(list, messages{"icmpv6", []string{"nd-neighbor-solicit", "nd-neighbor-advert",
			"destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem"}})
	}
	return list
}

// pings accepts a few pings a second. The rule stands before the one for connections: the second ping of a series belongs to one.
func (c *chain) pings(control []messages) {
	for _, m := range control {
		c.add(icmp(m.protocol, "echo-request"), rate(20), accept)
		c.add(icmp(m.protocol, "echo-request"), counter, drop)
	}
}

// errors accepts path MTU messages and errors. The kernel does not track media, so it takes a message about media for invalid.
func (c *chain) errors(control []messages) {
	for _, m := range control {
		for _, kind := range m.errors {
			c.add(icmp(m.protocol, kind), rate(100), accept)
		}
	}
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// trusted returns the name of the chain of a gateway, which accepts packets from the networks that its SIP interfaces trust.
func (w *wall) trusted(g *config.SIPGateway) (name string) {
	if c := w.gateways[g]; c != nil {
		return c.name
	}
	c := &chain{name: fmt.Sprintf("sip-%d", len(w.gateways)+1), title: " # context sip-gateway " + g.Name}
	w.gateways[g] = c
	w.lateChains = append(w.lateChains, c)
	if g.AnswerUntrusted {
		c.add(accept) // strangers get their 403
		return c.name
	}
	var sources []netip.Prefix
	w.interfacesOf(g, func(i *config.SIPInterface) { sources = append(sources, w.sources(i)...) })
	for _, source := range among("saddr", sources) {
		c.add(source, accept)
	}
	return c.name
}

// interfacesOf calls f for the SIP interfaces of a gateway.
func (j *job) interfacesOf(g *config.SIPGateway, f func(i *config.SIPInterface)) {
	for _, s := range j.cfg.CS {
		for _, i := range s.Interfaces {
			if i.Gateway.Name == g.Name {
				f(i)
			}
		}
	}
}

// sources returns the networks that an interface trusts. The name of a remote stands for its present addresses.
func (j *job) sources(i *config.SIPInterface) (list []netip.Prefix) {
	for _, t := range i.Trust {
		switch {
		case t.Teams:
			list = append(list, config.TeamsSignalling...)
		case t.Remote:
			list = append(list, j.remote(i)...)
		case t.Prefix.IsValid():
			list = append(list, t.Prefix.Masked())
		}
	}
	return list
}

// remote returns the addresses of an interface's peer that are known now.
func (j *job) remote(i *config.SIPInterface) (list []netip.Prefix) {
	if a, err := netip.ParseAddr(i.Remote.Host); err == nil {
		return []netip.Prefix{single(a.Unmap())}
	}
	if i.Remote.Host != "" {
		for _, a := range j.o.Cached(i.Remote.Host) {
			list = append(list, single(a.Unmap()))
		}
	}
	return list
}

// management returns the networks that may reach a service of the box's own through a port: those with access on every port; without
// any, the networks on the LAN port and those routed to it. A default route through the LAN port adds nothing: the
// internet is no management network.
func (j *job) management(p *port, access []netip.Prefix) []netip.Prefix {
	var list []netip.Prefix
	if len(access) > 0 {
		for _, n := range access {
			list = append(list, n.Masked())
		}
		return merge(list)
	}
	if !p.lan {
		return nil
	}
	return j.attached(p)
}

// attached are the networks on a port and those routed to it.
func (j *job) attached(p *port) (list []netip.Prefix) {
	for _, a := range p.addresses() {
		list = append(list, a.Masked())
	}
	for _, r := range j.table {
		// A route from a DHCP server adds nothing either: the server has no say in who may reach the box.
		if r.port == nil && r.Prefix.Bits() > 0 && j.through(r.Gateway) == p {
			list = append(list, r.Prefix.Masked())
		}
	}
	return merge(list)
}
