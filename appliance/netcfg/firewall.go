package netcfg

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// chain is a chain of the table. Hook is nil for one that is only jumped to.
type chain struct {
	name     string
	kind     nftables.ChainType
	hook     *nftables.ChainHook
	priority *nftables.ChainPriority
	title    string // for people
	rules    []rule
}

func (c *chain) add(parts ...part) { c.rules = append(c.rules, parts) }

// ruleset is the table as text, in the syntax of nft.
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

// derive makes the firewall of the configuration. Packets of a port that nothing in the configuration asks for are dropped; other devices are not
// looked at. Nothing is forwarded from or to a port: the box is no router, every call is its own on both sides.
func (j *job) derive() ruleset {
	input := &chain{name: "input", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookInput, priority: nftables.ChainPriorityFilter, title: " # hook input, priority 0"}
	output := &chain{name: "output", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, priority: nftables.ChainPriorityFilter, title: " # hook output, priority 0"}
	forward := &chain{name: "forward", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookForward, priority: nftables.ChainPriorityFilter, title: " # hook forward, priority 0"}
	rawIn := &chain{name: "untracked-in", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, priority: nftables.ChainPriorityRaw, title: " # hook prerouting, priority -300"}
	rawOut := &chain{name: "untracked-out", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, priority: nftables.ChainPriorityRaw, title: " # hook output, priority -300"}
	set := ruleset{rawIn, rawOut, input, output, forward}
	gateways, acls := map[string]bool{}, map[string]bool{}
	for _, p := range j.ports {
		if p.former() {
			continue
		}
		in := &chain{name: portChain + p.device}
		if p.conf != nil {
			if first, last := p.conf.MediaPortFirst, p.conf.MediaPortLast; first > 0 && first <= last {
				// Tracking connections costs more than relaying a packet does; the relay knows its own.
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
		for _, a := range j.lists(p, in, output) {
			if !acls[a.Name] {
				acls[a.Name] = true
				set = append(set, list(a))
			}
		}
		input.add(device("iifname", p.device), jump(in.name))
		forward.add(device("iifname", p.device), drop)
		forward.add(device("oifname", p.device), drop)
		set = append(set, in)
		for _, g := range j.open(p, in) {
			if !gateways[g.Name] {
				gateways[g.Name] = true
				set = append(set, j.trusted(g))
			}
		}
		in.add(counter, drop)
	}
	return set
}

// open lets in what the configuration opens on a port, and returns the gateways that have a socket there.
func (j *job) open(p *port, in *chain) (gateways []*config.SIPGateway) {
	addrs := p.addresses()
	if len(addrs) == 0 {
		return nil
	}
	for _, a := range addrs {
		if first, last := p.conf.MediaPortFirst, p.conf.MediaPortLast; first > 0 && first <= last {
			in.add(address("daddr", single(a.Addr())), ports("udp", "dport", first, last), accept)
		}
	}
	control := controls(addrs)
	in.pings(control)
	in.add(connection("established,related", expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept)
	in.errors(control)
	in.add(connection("invalid", expr.CtStateBitINVALID), counter, drop)
	for _, g := range j.cfg.Gateways {
		for _, i := range g.Interfaces {
			a := j.cfg.Address(i.Bind)
			if !g.Enabled || !a.IsValid() || j.cfg.IPInterface(i.Bind.Context, i.Bind.Interface) != p.conf {
				continue
			}
			if i.UDPTCP != 0 {
				in.add(address("daddr", single(a)), ports("udp", "dport", i.UDPTCP, i.UDPTCP), jump(chainOf(g)))
				in.add(address("daddr", single(a)), ports("tcp", "dport", i.UDPTCP, i.UDPTCP), jump(chainOf(g)))
			}
			if i.TLS != 0 {
				in.add(address("daddr", single(a)), ports("tcp", "dport", i.TLS, i.TLS), jump(chainOf(g)))
			}
			gateways = append(gateways, g)
		}
	}
	services := j.o.Services
	if t := j.cfg.Console.Telnet; t != 0 {
		services = append(slices.Clone(services), Service{"telnet", "tcp", t})
	}
	for _, n := range j.management(p) {
		for _, s := range services {
			in.add(address("saddr", n), ports(s.Protocol, "dport", s.Port, s.Port), accept)
		}
	}
	return gateways
}

// messages are the kinds of one control protocol that are let in.
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

// pings lets in a few. The rule stands before the one for connections: the second ping of a series belongs to one.
func (c *chain) pings(control []messages) {
	for _, m := range control {
		c.add(icmp(m.protocol, "echo-request"), rate(20), accept)
		c.add(icmp(m.protocol, "echo-request"), counter, drop)
	}
}

// errors lets in path MTU and errors. The kernel does not track media, so a message about it is related to nothing, and counts as
// invalid.
func (c *chain) errors(control []messages) {
	for _, m := range control {
		for _, kind := range m.errors {
			c.add(icmp(m.protocol, kind), rate(100), accept)
		}
	}
}

func chainOf(g *config.SIPGateway) string { return "sip-" + g.Name }

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// trusted is the chain of a gateway: packets of the networks that its SIP interfaces trust.
func (j *job) trusted(g *config.SIPGateway) *chain {
	c := &chain{name: chainOf(g)}
	if g.AnswerUntrusted {
		c.add(accept) // strangers get their 403
		return c
	}
	var sources []netip.Prefix
	for _, s := range j.cfg.CS {
		for _, i := range s.Interfaces {
			if i.Gateway.Name == g.Name {
				sources = append(sources, j.sources(i)...)
			}
		}
	}
	for _, p := range merge(sources) {
		c.add(address("saddr", p), accept)
	}
	return c
}

// sources are the networks that an interface trusts. A remote's name stands for what it resolves to now.
func (j *job) sources(i *config.SIPInterface) (list []netip.Prefix) {
	for _, t := range i.Trust {
		switch {
		case t.Teams:
			list = append(list, config.TeamsSignalling...)
		case t.Remote:
			if a, err := netip.ParseAddr(i.Remote.Host); err == nil {
				list = append(list, single(a))
			} else if i.Remote.Host != "" {
				for _, a := range j.o.Cached(i.Remote.Host) {
					list = append(list, single(a.Unmap()))
				}
			}
		case t.Prefix.IsValid():
			list = append(list, t.Prefix.Masked())
		}
	}
	return list
}

// merge sorts networks and drops those that lie in another.
func merge(list []netip.Prefix) []netip.Prefix {
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		return cmp.Or(a.Bits()-b.Bits(), a.Addr().Compare(b.Addr()))
	})
	var kept []netip.Prefix
	for _, p := range list {
		if !slices.ContainsFunc(kept, func(k netip.Prefix) bool { return k.Contains(p.Addr()) }) {
			kept = append(kept, p)
		}
	}
	return kept
}

// management are the networks that may reach the box's own services through a port: those that are configured, whatever the port;
// without any, those on the LAN port, and those that are routed to it. A default route through the LAN port adds nothing: the
// internet is no management network.
func (j *job) management(p *port) []netip.Prefix {
	var list []netip.Prefix
	if access := j.cfg.Console.Access; len(access) > 0 {
		for _, n := range access {
			list = append(list, n.Masked())
		}
		return merge(list)
	}
	if !p.lan {
		return nil
	}
	for _, a := range p.addresses() {
		list = append(list, a.Masked())
	}
	for _, r := range j.table {
		if r.Prefix.Bits() > 0 && j.through(r.Gateway) == p {
			list = append(list, r.Prefix.Masked())
		}
	}
	return merge(list)
}
