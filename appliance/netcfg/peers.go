package netcfg

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// peer is the peer of a SIP interface. The firewall counts its dropped packets to the gateway's sockets: dropping a configured peer is a
// mistake in a trust line or an access list, and no other part of the box ever sees these packets.
type peer struct {
	gateway, iface string
	chain          string
	rules          []int // in the chain, whose counters are the peer's
	trusted        bool  // its addresses are in a trust line: an access list drops it
}

// watch sends packets to a socket past the counters of the gateway's peers before they are dropped.
func (w *wall) watch(g *config.SIPGateway, refused *chain, socket []part) {
	name := "peers-of-" + w.trusted(g)
	for _, p := range w.peers {
		if p.chain == name {
			refused.add(append(socket, jump(name))...)
			return
		}
	}
	c := &chain{name: name, title: " # dropped packets of configured peers"}
	trusted := merge(w.trustOf(g))
	var seen [][]netip.Prefix
	w.interfacesOf(g, func(i *config.SIPInterface) {
		p := &peer{gateway: g.Name, iface: i.Name, chain: name}
		addresses := w.addressesOf(i)
		if slices.ContainsFunc(seen, func(s []netip.Prefix) bool { return slices.Equal(s, addresses) }) {
			return // hubs of one Teams: their packets are reported once
		}
		seen = append(seen, addresses)
		for _, source := range among("saddr", addresses) {
			p.rules = append(p.rules, len(c.rules))
			c.add(source, counter)
		}
		if len(p.rules) > 0 {
			p.trusted = g.AnswerUntrusted || within(addresses, trusted)
			w.peers = append(w.peers, p)
		}
	})
	if len(c.rules) > 0 {
		refused.add(append(socket, jump(name))...)
		w.lateChains = append(w.lateChains, c)
	}
}

func (j *job) trustOf(g *config.SIPGateway) (list []netip.Prefix) {
	j.interfacesOf(g, func(i *config.SIPInterface) { list = append(list, j.sources(i)...) })
	return list
}

// addressesOf returns the addresses from which a peer may call: its own, and for Teams those of all hubs.
func (j *job) addressesOf(i *config.SIPInterface) []netip.Prefix {
	if i.Teams() {
		return config.TeamsSignalling
	}
	return j.remote(i)
}

// within reports whether each of the networks lies in one of the others, which are sorted and disjoint.
func within(networks, others []netip.Prefix) bool {
	for _, n := range networks {
		inside := false
		for _, o := range others {
			inside = inside || o.Bits() <= n.Bits() && o.Contains(n.Addr())
		}
		if !inside {
			return false
		}
	}
	return true
}

// why names the reason for which the peer's packets are dropped.
func (p *peer) why() string {
	if p.trusted {
		return fmt.Sprintf("the firewall drops packets of the peer of interface sip %s: a profile acl does not permit them", p.iface)
	}
	return fmt.Sprintf("the firewall drops packets of the peer of interface sip %s: their source is in no trust line of context sip-gateway %s", p.iface, p.gateway)
}

const (
	// countInterval is the time between readings of the counters of dropped packets.
	countInterval = 5 * time.Second
	// quietPeer is the time without a dropped packet after which the alarm ends. Peers send OPTIONS every minute or so.
	quietPeer = 3 * time.Minute
)

// counts follow the counters of the peers of the rules in force.
type counts struct {
	peers map[*peer]*count
}

type count struct {
	packets uint64
	last    time.Time // they grew
}

// begin takes over the peers of new rules, whose counters are zero. An alarm lasts while its reason does: the rules change with every
// address of a peer's name.
func (c *counts) begin(peers []*peer, alarms *health.Tracker) {
	lasting := map[string]time.Time{}
	for p, have := range c.peers {
		if slices.ContainsFunc(peers, func(n *peer) bool { return n.why() == p.why() }) {
			lasting[p.why()] = have.last
		} else {
			alarms.Clear(health.PeerShutOut, p.iface)
		}
	}
	c.peers = map[*peer]*count{}
	for _, p := range peers {
		c.peers[p] = &count{last: lasting[p.why()]}
	}
}

// read judges the counters.
func (c *counts) read(now time.Time, alarms *health.Tracker) error {
	if len(c.peers) == 0 {
		return nil
	}
	conn, err := dial()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	rules := map[string][]*nftables.Rule{}
	for p, have := range c.peers {
		list, known := rules[p.chain]
		if !known {
			if list, err = conn.GetRules(table, &nftables.Chain{Name: p.chain, Table: table}); err != nil {
				return fmt.Errorf("read chain %s: %w", p.chain, err)
			}
			rules[p.chain] = list
		}
		packets := p.sum(list)
		switch {
		case packets > have.packets:
			have.last = now
			alarms.Set(health.PeerShutOut, health.Args{"peer": p.iface, "why": p.why()})
		case !have.last.IsZero() && now.Sub(have.last) >= quietPeer:
			have.last = time.Time{}
			alarms.Clear(health.PeerShutOut, p.iface)
		}
		have.packets = packets
	}
	return nil
}

// sum adds up the counters of a peer.
func (p *peer) sum(rules []*nftables.Rule) (packets uint64) {
	for _, n := range p.rules {
		if n >= len(rules) {
			continue // the table is another program's work
		}
		for _, e := range rules[n].Exprs {
			if c, ok := e.(*expr.Counter); ok {
				packets += c.Packets
			}
		}
	}
	return packets
}
