package netcfg

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ours marks the routes that any sbcd has set (rtnetlink(7) rtm_protocol; unassigned).
const ours netlink.RouteProtocol = 86

// routeKey has the properties by which the kernel distinguishes routes.
type routeKey struct {
	prefix netip.Prefix
	metric int
}

// routes sets the routes of all tables, and the rules that choose one.
func (j *job) routes() {
	j.tableRoutes(unix.RT_TABLE_MAIN, j.table)
	if !j.policy(j.tables) {
		return
	}
	left, err := j.tablesOfOurs()
	if err != nil {
		j.fail("read routes: %w", err)
		return
	}
	for _, t := range j.tables {
		routes := configured(t.routes)
		if len(t.sources) == 0 {
			routes = nil // no rule would use them
		}
		j.tableRoutes(t.number, routes)
		delete(left, t.number)
	}
	for _, number := range slices.Sorted(maps.Keys(left)) {
		j.tableRoutes(number, nil)
	}
}

// tableRoutes replaces and adds the configured routes of one table, then removes our other routes.
func (j *job) tableRoutes(number int, wanted []route) {
	have, err := j.routesOf(number)
	if err != nil {
		j.fail("read routes: %w", err)
		return
	}
	kept := map[int]bool{} // indexes of have
	seen := map[routeKey]bool{}
	for _, r := range wanted {
		key := routeKey{r.Prefix.Masked(), r.Metric}
		if seen[key] {
			j.fail("route %s gateway %s: there is another route of the same prefix and metric", r.Prefix, r.Gateway)
			continue
		}
		seen[key] = true
		j.route(number, r, key, have, kept)
	}
	for i, k := range have {
		if kept[i] || !j.isOurs(k) {
			continue
		}
		if err := j.kernel.RouteDel(&k); err != nil && !errors.Is(err, unix.ESRCH) {
			j.fail("remove route %s: %w", keyOf(k).prefix, err)
			continue
		}
		j.change("route %s gateway %s metric %d removed", keyOf(k).prefix, k.Gw, k.Priority)
	}
}

// route sets one route and marks in kept the existing routes that must stay.
func (j *job) route(number int, r route, key routeKey, have []netlink.Route, kept map[int]bool) {
	want := netlink.Route{Dst: ipNet(key.prefix), Gw: r.Gateway.AsSlice(), Priority: r.Metric, Protocol: ours, Table: number}
	p := r.port
	if p == nil {
		p = j.through(r.Gateway)
	}
	if p != nil {
		if p.seat != nil && !p.seat.own.IsValid() {
			return // the box has no address there, for which there is an alarm
		}
		if !p.up || p.link == nil {
			j.warn("route %s gateway %s: %s is down", r.Prefix, r.Gateway, p.name)
			return
		}
		want.LinkIndex = p.link.Attrs().Index
	}
	switch {
	case !r.Gateway.IsValid():
		want.Gw, want.Scope = nil, netlink.SCOPE_LINK
	case r.port != nil:
		want.SetFlag(netlink.FLAG_ONLINK)
	}
	if r.Prefix.Addr().Is6() && key.metric == 0 {
		key.metric = 1024 // the kernel's default for IPv6
	}
	for i, k := range have {
		if keyOf(k) != key {
			continue
		}
		if !j.isOurs(k) {
			j.fail("route %s gateway %s: another program has set a route to this prefix with metric %d; choose another metric", r.Prefix, r.Gateway, r.Metric)
			return
		}
		if k.Protocol == ours && k.Gw.Equal(want.Gw) && (want.LinkIndex == 0 || want.LinkIndex == k.LinkIndex) {
			kept[i] = true
			return
		}
	}
	if err := j.kernel.RouteReplace(&want); err != nil {
		if errors.Is(err, unix.ENETUNREACH) {
			j.fail("route %s gateway %s: the gateway is in no network of this box", r.Prefix, r.Gateway)
		} else {
			j.fail("route %s gateway %s: %w", r.Prefix, r.Gateway, err)
		}
		return
	}
	j.change("route %s gateway %s metric %d set", r.Prefix, r.Gateway, r.Metric)
	for i, k := range have {
		if keyOf(k) == key {
			kept[i] = true // it was replaced
			return
		}
	}
}

// isOurs reports whether we may change a route: it has our mark, or it was set by hand through one of our devices.
func (j *job) isOurs(r netlink.Route) bool {
	if r.Protocol == ours {
		return true
	}
	byHand := r.Protocol == unix.RTPROT_BOOT || r.Protocol == unix.RTPROT_STATIC
	return byHand && slices.ContainsFunc(j.ports, func(p *port) bool { return p.link != nil && p.link.Attrs().Index == r.LinkIndex })
}

// tablesOfOurs returns the numbers of the tables besides the main one that hold our routes.
func (n *Net) tablesOfOurs() (map[int]bool, error) {
	numbers := map[int]bool{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		var list []netlink.Route
		err := again(func() (err error) {
			list, err = n.kernel.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC, Protocol: ours}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
			return err
		})
		if err != nil && !(family == netlink.FAMILY_V6 && errors.Is(err, unix.EAFNOSUPPORT)) {
			return nil, err
		}
		for _, r := range list {
			if r.Table != unix.RT_TABLE_MAIN {
				numbers[r.Table] = true
			}
		}
	}
	return numbers, nil
}

// routesOf returns the unicast routes of a table.
func (n *Net) routesOf(number int) ([]netlink.Route, error) {
	var all []netlink.Route
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		var list []netlink.Route
		err := again(func() (err error) {
			list, err = n.kernel.RouteListFiltered(family, &netlink.Route{Table: number, Type: unix.RTN_UNICAST}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
			return err
		})
		if err != nil && !(family == netlink.FAMILY_V6 && errors.Is(err, unix.EAFNOSUPPORT)) {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func keyOf(r netlink.Route) routeKey {
	dst := r.Dst
	if dst == nil {
		dst = &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
		if r.Family == netlink.FAMILY_V6 {
			dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
		}
	}
	return routeKey{prefixOf(dst), r.Priority}
}
