package netcfg

import (
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/netcfg/dhcp"
)

// route is a route of a routing table.
type route struct {
	config.IPRoute
	port *port // of a route from a DHCP server; nil: the port whose network holds the gateway
}

// everywhere is the prefix of a default route.
var everywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// configured converts routes of the configuration.
func configured(list []config.IPRoute) (routes []route) {
	for _, r := range list {
		routes = append(routes, route{IPRoute: r})
	}
	return routes
}

// routingTable returns the routes of the tables named DEFAULT and the routes from DHCP servers, the first port's before the second's.
// Configured routes go first: a default route from a server counts only where none is configured.
func (j *job) routingTable() []route {
	var routes []route
	for _, c := range j.cfg.IP {
		for _, t := range c.Tables {
			if strings.EqualFold(t.Name, "DEFAULT") {
				routes = append(routes, configured(t.Routes)...)
			}
		}
	}
	own := routes
	metric := 0
	for _, device := range j.leaseOrder() {
		i := slices.IndexFunc(j.ports, func(p *port) bool { return p.device == device })
		if i < 0 {
			continue
		}
		if whose := j.elsewhere(j.ports[i], j.leases[device].Prefix, nil); whose != "" {
			j.warn("%s: the DHCP server gives %s, which is in %s: packets to it leave by one of the two only", j.ports[i].name, j.leases[device].Prefix, whose)
		}
		for _, r := range j.ofLease(j.ports[i], j.leases[device], own) {
			r.Metric = metric
			if !slices.ContainsFunc(routes, func(x route) bool { return x.Prefix.Masked() == r.Prefix && x.Metric == metric }) {
				routes = append(routes, r)
			}
		}
		metric++
	}
	return routes
}

// ofLease returns the routes that a lease adds to the configured ones. A server must not draw packets away from another port: the first
// host to answer on the WAN would get the packets for the PBX.
func (j *job) ofLease(p *port, l *dhcp.Lease, own []route) (routes []route) {
	add := func(to netip.Prefix, gateway netip.Addr) {
		routes = append(routes, route{IPRoute: config.IPRoute{Prefix: to, Gateway: gateway}, port: p})
	}
	for _, r := range l.Routes {
		if whose := j.elsewhere(p, r.Prefix, own); whose != "" {
			j.warn("%s: the DHCP server's route to %s is left out, it leads into %s", p.name, r.Prefix, whose)
			continue
		}
		add(r.Prefix, r.Gateway)
	}
	if !l.Router.IsValid() || slices.ContainsFunc(own, func(r route) bool { return r.Prefix == everywhere }) {
		return routes
	}
	// A router outside of the network is on the link all the same.
	if !l.Prefix.Contains(l.Router) && j.elsewhere(p, single(l.Router), own) == "" {
		add(single(l.Router), netip.Addr{})
	}
	add(everywhere, l.Router)
	return routes
}

// elsewhere names the port or the configured route to which a network belongs already, "" when it is free.
func (j *job) elsewhere(p *port, to netip.Prefix, own []route) string {
	holds := func(n netip.Prefix) bool { return n.Bits() > 0 && n.Bits() <= to.Bits() && n.Contains(to.Addr()) }
	for _, other := range j.ports {
		for _, a := range other.addresses() {
			if other != p && holds(a) {
				return "the network of " + other.name
			}
		}
	}
	for _, r := range own {
		if holds(r.Prefix) {
			return "the configured route to " + r.Prefix.String()
		}
	}
	return ""
}
