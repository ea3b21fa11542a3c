package sipgw

import (
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/config"
)

// expectFor is how long a peer that we sent a request to over UDP may answer, although no trust line names it: a registrar, for
// example. Only its responses are taken.
const expectFor = 37 * time.Second // 64*T1 + T4

// trusts reports whether requests from a source address are taken.
func (g *Gate) trusts(from netip.Addr) bool {
	for _, i := range g.conf.Load().interfaces {
		if g.trustedBy(i, from) {
			return true
		}
	}
	return false
}

// trustedBy reports whether a SIP interface trusts a source address.
func (g *Gate) trustedBy(i *config.SIPInterface, from netip.Addr) bool {
	for _, t := range i.Trust {
		switch {
		case t.Remote:
			if g.isRemote(i, from) {
				return true
			}
		case t.Teams:
			for _, n := range config.TeamsSignalling {
				if n.Contains(from) {
					return true
				}
			}
		case t.Prefix.IsValid() && t.Prefix.Contains(from):
			return true
		}
	}
	return false
}

// isRemote reports whether from is an address of the interface's peer, by what is known of its name now.
func (g *Gate) isRemote(i *config.SIPInterface, from netip.Addr) bool {
	for _, a := range g.known(i.Remote.Host) {
		if a == from {
			return true
		}
	}
	return false
}

// interfaceOf returns the SIP interface that a request from an address belongs to: the one whose peer it is, else the first that
// trusts it, else nil.
func (g *Gate) interfaceOf(from netip.Addr) *config.SIPInterface {
	c := g.conf.Load()
	for _, i := range c.interfaces {
		if g.isRemote(i, from) && g.trustedBy(i, from) {
			return i
		}
	}
	for _, i := range c.interfaces {
		if g.trustedBy(i, from) {
			return i
		}
	}
	return nil
}

// expect notes that a peer was sent a request over UDP.
func (g *Gate) expect(a netip.Addr) {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.expected) > 256 {
		for k, until := range g.expected {
			if now.After(until) {
				delete(g.expected, k)
			}
		}
	}
	g.expected[a] = now.Add(expectFor)
}

// expects reports whether responses of an address are awaited.
func (g *Gate) expects(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.expected[a]
	return ok && time.Now().Before(until)
}

// origin is what a peer is known by: how it speaks to us and from where.
type origin struct {
	transport string
	addr      netip.Addr
}

func (a arrival) origin() origin { return origin{a.way.transport(), a.source.Addr()} }

func originOf(way flow) origin { return origin{way.transport(), way.remote().Addr()} }

// kin reports whether what comes from x may belong to what came from, or went to, first: it is the same address, or one interface
// trusts both, as Teams speaks from any of its hubs. What began over TLS goes on over TLS, where addresses cannot be forged.
func (g *Gate) kin(first, x origin) bool {
	if first.transport == "tls" && x.transport != "tls" {
		return false
	}
	return first.addr == x.addr || slices.ContainsFunc(g.conf.Load().interfaces, func(i *config.SIPInterface) bool {
		return g.trustedBy(i, first.addr) && g.trustedBy(i, x.addr)
	})
}

// trustedFor reports whether an interface trusts an address, as it was when a call began or as it is configured now.
func (g *Gate) trustedFor(i *config.SIPInterface, from netip.Addr) bool {
	return g.trustedBy(i, from) || slices.ContainsFunc(g.conf.Load().interfaces, func(now *config.SIPInterface) bool {
		return now.ID() == i.ID() && g.trustedBy(now, from)
	})
}
