package netcfg

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"viaduct/appliance/config"
	"viaduct/appliance/netcfg/dhcp"

	"github.com/vishvananda/netlink"
)

// Effective returns the configuration with the addresses and routes from DHCP servers, cfg itself when there are none. Addresses that are
// not there yet stay invalid.
func (n *Net) Effective(cfg *config.Config) *config.Config {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.withRoutes(n.effective(cfg))
}

// withRoutes adds the routes of leases to the first context's table DEFAULT, so that config.Reach names the interface that the kernel
// uses. Their gateway is the box's own address in that network: the true one may lie outside of it.
func (n *Net) withRoutes(cfg *config.Config) *config.Config {
	var routes []config.IPRoute
	for _, device := range n.leaseOrder() {
		for _, r := range n.given[device] {
			r.Gateway = n.leases[device].Prefix.Addr()
			routes = append(routes, r)
		}
	}
	if len(routes) == 0 || len(cfg.IP) == 0 {
		return cfg
	}
	e, x := *cfg, *cfg.IP[0]
	x.Tables = append(slices.Clone(x.Tables), &config.RoutingTableIP{Name: "DEFAULT", Routes: routes})
	e.IP = slices.Clone(cfg.IP)
	e.IP[0] = &x
	return &e
}

// effective is Effective. The caller holds n.mu.
func (n *Net) effective(cfg *config.Config) *config.Config {
	given := map[*config.IPInterface]netip.Prefix{}
	each(cfg, n.o.PortName, func(device string, _ string, b config.IPBind) {
		if i, l := cfg.IPInterface(b.Context, b.Interface), n.leases[device]; i != nil && l != nil {
			given[i] = l.Prefix
		}
	})
	if len(given) == 0 {
		return cfg
	}
	e := *cfg
	e.IP = slices.Clone(cfg.IP)
	for c, context := range e.IP {
		x := *context
		x.Interfaces = slices.Clone(context.Interfaces)
		for k, i := range x.Interfaces {
			if prefix, ok := given[i]; ok {
				y := *i
				y.Addresses = slices.Clone(i.Addresses)
				if a := slices.IndexFunc(y.Addresses, func(a config.IPAddress) bool { return a.DHCP }); a >= 0 {
					y.Addresses[a].Prefix = prefix
				}
				x.Interfaces[k] = &y
			}
		}
		e.IP[c] = &x
	}
	return &e
}

// NameServers returns the name servers from DHCP, in the order of the ports.
func (n *Net) NameServers() []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []netip.Addr
	for _, device := range n.leaseOrder() {
		for _, a := range n.leases[device].NameServers {
			if !slices.Contains(list, a) {
				list = append(list, a)
			}
		}
	}
	return list
}

// leaseOrder lists the devices with a lease in the order of their names. The caller holds n.mu.
func (n *Net) leaseOrder() []string {
	var list []string
	for device := range n.leases {
		list = append(list, device)
	}
	slices.Sort(list)
	return list
}

// wantsLease reports whether a port gets its address by DHCP.
func (p *port) wantsLease() bool {
	return p.up && p.link != nil && p.conf != nil && slices.ContainsFunc(p.conf.Addresses, func(a config.IPAddress) bool { return a.DHCP })
}

// noteLeases tells Run which devices get a lease. The caller holds n.mu.
func (j *job) noteLeases() {
	wanted := map[string]netlink.Link{}
	for _, p := range j.ports {
		if p.wantsLease() {
			wanted[p.device] = p.link
		}
	}
	for device := range j.leases {
		if wanted[device] == nil {
			delete(j.leases, device)
		}
	}
	j.wanted = wanted
	select {
	case j.lease <- struct{}{}:
	default:
	}
}

// lessees are the DHCP clients that run. They belong to Run: their sockets are opened in its namespace.
type lessees struct {
	net     *Net
	clients map[string]*lessee
	changes chan change // of leases
	all     sync.WaitGroup
}

type lessee struct {
	*dhcp.Client
	index int
	end   context.CancelCauseFunc
	ended chan struct{}
}

// change is a lease that is new, or gone (nil).
type change struct {
	device string
	client *lessee
	lease  *dhcp.Lease
}

func newLessees(n *Net) *lessees {
	return &lessees{net: n, clients: map[string]*lessee{}, changes: make(chan change)}
}

// follow starts and ends clients as the last Apply wants them.
func (s *lessees) follow(ctx context.Context) {
	s.net.mu.Lock()
	wanted := s.net.wanted
	s.net.mu.Unlock()
	for device, c := range s.clients {
		if link := wanted[device]; link == nil || link.Attrs().Index != c.index {
			s.stop(device, dhcp.ErrRelease)
		}
	}
	for device, link := range wanted {
		if s.clients[device] == nil {
			s.start(ctx, device, link)
		}
	}
	s.publish()
}

func (s *lessees) start(ctx context.Context, device string, link netlink.Link) {
	log := s.net.o.Log
	mac := link.Attrs().HardwareAddr
	if len(mac) != 6 {
		log.Error("DHCP needs an Ethernet port", "if", device)
		return
	}
	conn, err := dhcp.Open(link.Attrs().Index)
	if err != nil {
		log.Error("DHCP client not started", "if", device, "err", err)
		return
	}
	ctx, end := context.WithCancelCause(ctx)
	c := &lessee{Client: dhcp.New(dhcp.Options{Log: log, Device: device, MAC: [6]byte(mac), Conn: conn}), index: link.Attrs().Index, end: end, ended: make(chan struct{})}
	s.clients[device] = c
	s.all.Go(func() {
		defer close(c.ended)
		c.Run(ctx, func(l *dhcp.Lease) {
			select {
			case s.changes <- change{device, c, l}:
			case <-ctx.Done():
			}
		})
	})
}

// stop ends a client and waits for it; cause dhcp.ErrRelease gives its lease back.
func (s *lessees) stop(device string, cause error) {
	c := s.clients[device]
	delete(s.clients, device)
	c.end(cause)
	<-c.ended
}

// close ends all clients. The leases are kept: the next start asks for the same addresses.
func (s *lessees) close() {
	for device := range s.clients {
		s.stop(device, context.Canceled)
	}
	s.all.Wait()
	s.publish()
}

// take puts a lease in force, or removes one, and reports whether anything changed.
func (s *lessees) take(c change) bool {
	n := s.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.clients[c.device] != c.client || n.wanted[c.device] == nil {
		return false // from a client that has just ended
	}
	old := n.leases[c.device]
	if c.lease == nil {
		delete(n.leases, c.device)
		return old != nil
	}
	n.leases[c.device] = c.lease
	return old == nil || old.Prefix != c.lease.Prefix || old.Router != c.lease.Router || !slices.Equal(old.Routes, c.lease.Routes) || !slices.Equal(old.NameServers, c.lease.NameServers)
}

// publish shows the clients to State.
func (s *lessees) publish() {
	states := map[string]*dhcp.Client{}
	for device, c := range s.clients {
		states[device] = c.Client
	}
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	s.net.clients = states
}

// Device returns the kernel's name of the port that an IP interface is bound to; "": none.
func (n *Net) Device(cfg *config.Config, context config.Ref[config.Config, config.IPContext], name config.Ref[config.IPContext, config.IPInterface]) (device string) {
	at := cfg.IPInterface(context, name)
	each(cfg, n.o.PortName, func(d, _ string, b config.IPBind) {
		if at != nil && cfg.IPInterface(b.Context, b.Interface) == at {
			device = d
		}
	})
	return device
}

// each calls f for every port and VLAN of a configuration.
func each(cfg *config.Config, name func(slot, port int) string, f func(device, title string, b config.IPBind)) {
	for _, p := range cfg.Ports {
		f(name(p.Slot, p.Port), portTitle(p), p.Bind)
		for _, v := range p.VLANs {
			f(vlanDevice(name(p.Slot, p.Port), v.ID), vlanTitle(p, v), v.Bind)
		}
	}
}
