package checkup

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/names"
	"viaduct/appliance/status"
)

// survey is what one check knows of the box: its configuration, its networks and its peers. What must be asked is asked once, by whichever
// step needs it first.
type survey struct {
	c     *Checker
	of    string // what is checked
	cfg   *config.Config
	sides []*side
	peers []*peer

	partner *federation // of `check federation`; nil: another check

	servers []netip.AddrPort
	told    once[[]opinion]       // what the name servers say
	calls   once[[]status.Record] // of the last hour
}

// side is a network that the box has peers on: an IP interface.
type side struct {
	context, name string
	conf          *config.IPInterface
	now           status.IPInterface
	local         netip.Addr // the first address
	routers       []netip.Addr
}

// label is the port of the side, by which people know it.
func (x *side) label() string { return cmp.Or(x.now.Port, x.name) }

// path are the header lines of the interface.
func (x *side) path() []string {
	return []string{"configure", "context ip " + x.context, "interface " + x.name}
}

// peer is the peer of a SIP interface.
type peer struct {
	conf    *config.SIPInterface
	gateway *config.SIPGateway
	at      *config.GatewayInterface // by which it is reached
	side    *side                    // nil: none of the box's networks leads there
	teams   bool
	host    string
	test    bool // it is no peer of the configuration: Microsoft's test of the new roots

	addrs  once[found]
	dialed once[[]dialled]
	talked once[talk]
	tried  once[tried] // of the first peer of a gateway
}

func (p *peer) profile(cfg *config.Config) *config.TLSProfile { return p.gateway.TLS.In(cfg) }

// once is a value that is found out once.
type once[T any] struct {
	mu    sync.Mutex
	done  bool
	value T
}

func (o *once[T]) get(find func() T) T {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.done {
		o.value, o.done = find(), true
	}
	return o.value
}

// survey looks at the configuration.
func (c *Checker) survey() *survey {
	s := &survey{c: c, cfg: c.o.Box.Effective(), servers: c.o.Resolver.Servers()}
	interfaces := c.o.Box.IPInterfaces()
	for _, sw := range s.cfg.CS {
		for _, i := range sw.Interfaces {
			g := i.Gateway.In(s.cfg)
			if g == nil || !g.Enabled || i.Remote.Host == "" {
				continue
			}
			p := &peer{conf: i, gateway: g, teams: i.Teams(), host: i.Remote.Host}
			if p.at = s.towards(p); p.at != nil {
				p.side = s.sideOf(p.at.Bind, interfaces)
			}
			s.peers = append(s.peers, p)
		}
	}
	return s
}

// towards is the interface of a gateway by which a peer is reached.
func (s *survey) towards(p *peer) *config.GatewayInterface {
	var first *config.GatewayInterface
	addr, _ := netip.ParseAddr(p.host)
	for _, gi := range p.gateway.Interfaces {
		if !gi.Secure() && (p.teams || !gi.Plain()) {
			continue
		}
		if first == nil {
			first = gi
		}
		if local := s.cfg.Address(gi.Bind); addr.IsValid() && local.IsValid() && s.cfg.Reach(local, addr) == "" {
			return gi
		}
	}
	return first
}

// sideOf finds or adds the network of a bind.
func (s *survey) sideOf(b config.AddressBind, interfaces []status.IPInterface) *side {
	conf := s.cfg.IPInterface(b.Context, b.Interface)
	if conf == nil {
		return nil
	}
	for _, x := range s.sides {
		if x.conf == conf {
			return x
		}
	}
	x := &side{conf: conf, name: conf.Name, local: s.cfg.Address(b)}
	for _, c := range s.cfg.IP {
		if slices.Contains(c.Interfaces, conf) {
			x.context = c.Name
		}
	}
	for _, i := range interfaces {
		if config.SameName(i.Context) == config.SameName(x.context) && config.SameName(i.Name) == config.SameName(x.name) {
			x.now = i
		}
	}
	x.routers = s.routersOf(x)
	s.sides = append(s.sides, x)
	return x
}

// routersOf are the routers of a network that default routes name.
func (s *survey) routersOf(x *side) (list []netip.Addr) {
	add := func(a netip.Addr) {
		if a.IsValid() && !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	for _, c := range s.cfg.IP {
		for _, t := range c.Tables {
			for _, r := range t.Routes {
				if r.Prefix.Bits() == 0 && x.holds(r.Gateway) {
					add(r.Gateway)
				}
			}
		}
	}
	if d := x.now.DHCP; d != nil && len(list) == 0 {
		add(d.Router)
	}
	return list
}

// holds reports whether a host is in the network itself, behind no router.
func (x *side) holds(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	for _, c := range x.conf.Addresses {
		if c.Prefix.IsValid() && c.Prefix.Contains(a) {
			return true
		}
	}
	return slices.ContainsFunc(x.now.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// leadsTo is the side by which a host is reached; nil: none of those with peers.
func (s *survey) leadsTo(a netip.Addr) *side {
	for _, x := range s.sides {
		if x.holds(a) {
			return x
		}
	}
	for _, x := range s.sides {
		if x.local.IsValid() && s.cfg.Reach(x.local, a) == "" {
			return x
		}
	}
	return nil
}

// found is what the name servers say of a host now.
type found struct {
	addrs []netip.AddrPort
	via   string // the SRV record, if one led there
	took  time.Duration
	err   error
}

// find asks for the addresses of a peer: of SRV records where no port is configured (RFC 3263), else of the name.
func (s *survey) find(ctx context.Context, p *peer) found {
	return p.addrs.get(func() (f found) {
		if a, err := netip.ParseAddr(p.host); err == nil {
			return found{addrs: []netip.AddrPort{netip.AddrPortFrom(a, s.portOf(p))}}
		}
		start := time.Now()
		defer func() { f.took = time.Since(start) }()
		if p.conf.Remote.Port == 0 {
			for _, server := range s.servers {
				service := "_sip._udp."
				if p.at.Secure() && !p.at.Plain() {
					service = "_sips._tcp."
				}
				got, err := s.c.o.Resolver.AskServer(ctx, server, names.SRV, service+p.host)
				if err != nil {
					continue
				}
				for _, r := range got.SRVs {
					a, err := s.c.o.Resolver.Ask(ctx, r.Target)
					for _, addr := range a.Addrs {
						f.addrs = append(f.addrs, netip.AddrPortFrom(addr, r.Port))
					}
					if err == nil && f.via == "" {
						f.via = service + p.host
					}
				}
				break
			}
			if len(f.addrs) > 0 {
				return f
			}
		}
		a, err := s.c.o.Resolver.Ask(ctx, p.host)
		for _, addr := range a.Addrs {
			f.addrs = append(f.addrs, netip.AddrPortFrom(addr, s.portOf(p)))
		}
		f.err = err
		return f
	})
}

// portOf is the port of a peer where no SRV record names one.
func (s *survey) portOf(p *peer) uint16 {
	switch {
	case p.conf.Remote.Port != 0:
		return p.conf.Remote.Port
	case p.at.Secure() && !p.at.Plain():
		return 5061
	}
	return 5060
}

// Subjects of steps.

func sidesOf(teamsOnly bool) func(*survey, string) []subject {
	return func(s *survey, of string) (list []subject) {
		for _, x := range s.sides {
			if slices.ContainsFunc(s.peers, func(p *peer) bool { return p.side == x && wanted(p, of) && (p.teams || !teamsOnly) }) {
				list = append(list, subject{name: x.label(), side: x})
			}
		}
		return list
	}
}

func wanted(p *peer, of string) bool { return of == all || p.teams == (of == teams) }

func routed(s *survey, of string) (list []subject) {
	for _, x := range sidesOf(false)(s, of) {
		needs := slices.ContainsFunc(s.peers, func(p *peer) bool { return p.side == x.side && wanted(p, of) && p.teams })
		if len(x.side.routers) > 0 || needs {
			list = append(list, x)
		}
	}
	return list
}

func peersOf(which string, test bool) func(*survey, string) []subject {
	return func(s *survey, of string) (list []subject) {
		for _, p := range s.peers {
			if wanted(p, of) && (which == all || wanted(p, which)) && (test || !p.test) {
				x := subject{name: p.host, side: p.side, peer: p}
				if a, err := netip.ParseAddr(p.host); err == nil {
					x.free = append(x.free, "name-servers")
					if p.side != nil && p.side.holds(a) {
						x.free = append(x.free, "router")
					}
				}
				list = append(list, x)
			}
		}
		return list
	}
}
