package checkup

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/diag"
	"viaduct/appliance/status"
)

// checkLink looks at the carrier of a port.
func checkLink(_ context.Context, s *survey, x subject) finding {
	n := x.side.now
	switch n.State {
	case status.LinkUp:
		return ok(fmt.Sprintf("interface %s is up", x.side.name))
	case status.LinkNotBound:
		f := finding{}.fails("interface %s of context ip %s is bound to no port", x.side.name, x.side.context)
		var free []*config.EthernetPort
		for _, p := range s.cfg.Ports {
			if p.Bind.Interface.IsZero() {
				free = append(free, p)
			}
		}
		if len(free) != 1 { // a guess might put the LAN at the port of the WAN
			return f.by("Bind it to the port that its cable is in: `bind interface %s %s` in `port ethernet 0 N`.", x.side.context, x.side.name)
		}
		return f.paste("configure", fmt.Sprintf("port ethernet %d %d", free[0].Slot, free[0].Port), fmt.Sprintf("bind interface %s %s", x.side.context, x.side.name), "no shutdown", "end").
			by("Bind it to the port that its cable is in; the lines name the one that has no interface.")
	case status.LinkDown:
		f := finding{}.fails("port %s is switched off", n.Port)
		if p := s.portOfSide(x.side); p != nil && !p.Enabled {
			return f.paste("configure", fmt.Sprintf("port ethernet %d %d", p.Slot, p.Port), "no shutdown", "end").by("Switch it on.")
		}
		return f
	case status.LinkMissing:
		return finding{}.fails("the box has no port %s", n.Port).by("Bind the interface to a port that the box has: `show port ethernet` lists them.")
	}
	return finding{}.fails("port %s has no link", n.Port)
}

// portOfSide is the port that an interface is bound to; nil: there is none.
func (s *survey) portOfSide(x *side) *config.EthernetPort {
	for _, p := range s.cfg.Ports {
		if s.cfg.IPInterface(p.Bind.Context, p.Bind.Interface) == x.conf && !p.Bind.Interface.IsZero() {
			return p
		}
	}
	return nil
}

// checkAddress looks for an address on the port.
func checkAddress(_ context.Context, _ *survey, x subject) finding {
	n := x.side.now
	var f finding
	for _, a := range n.Addresses {
		f = f.saw("address %s", a)
	}
	if d := n.DHCP; d != nil {
		f = f.saw("DHCP: %s", d.State)
	}
	switch {
	case len(n.Addresses) > 0 && x.side.local.IsValid() && slices.ContainsFunc(n.Addresses, func(p netip.Prefix) bool { return p.Addr() == x.side.local }):
		return f
	case x.side.local.IsValid():
		return f.fails("port %s does not have the configured address %s", n.Port, x.side.local).by("`show config problems` says why the network is not as configured.")
	case n.DHCP != nil:
		return f.fails("no DHCP server has given port %s an address (%s)", n.Port, strings.TrimSpace(n.DHCP.State.String()+" "+n.DHCP.Error)).
			by("Look at the DHCP server of the network, or configure a fixed address: `ipaddress NAME A.B.C.D/N` in interface %s.", x.side.name)
	}
	return f.fails("interface %s has no address that the gateway is bound to", x.side.name).by("Add `ipaddress NAME A.B.C.D/N` in interface %s.", x.side.name)
}

var (
	carrierNAT = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
)

// checkPublic looks whether Teams can reach the address, directly or by a router that forwards.
func checkPublic(_ context.Context, s *survey, x subject) finding {
	local := x.side.local
	var outside netip.Addr
	var at *config.GatewayInterface
	var gateway string
	for _, p := range s.peers {
		if p.teams && p.side == x.side {
			at, gateway = p.at, p.gateway.Name
			outside = p.at.SpoofedMedia
		}
	}
	switch {
	case carrierNAT.Contains(local):
		return finding{}.fails("%s is an address of the provider's own network (100.64.0.0/10, CGNAT): nobody can call in", local).
			by("Order a public IPv4 address from the internet provider. No setting of the box helps.")
	case !local.IsPrivate() && !local.IsLinkLocalUnicast():
		f := ok(fmt.Sprintf("public address %s", local))
		if outside.IsValid() && outside != local {
			f = f.warns("%s is public, but `spoofed media-address %s` has Teams send voice elsewhere", local, outside).
				paste("configure", "context sip-gateway "+gateway, "interface "+at.Name, "no spoofed media-address", "end").
				by("Remove the line, unless a router forwards that address to the box.")
		}
		return f
	case outside.IsValid():
		return ok(fmt.Sprintf("%s is behind NAT; voice comes to %s", local, outside))
	}
	return finding{}.fails("%s is behind NAT, and the box does not know its public address: Teams would send voice to %s", local, local).
		by("Add `spoofed media-address A.B.C.D` with the public address in interface %s of context sip-gateway %s, and forward TCP %d and UDP %d-%d from there to %s.",
			at.Name, gateway, at.TLS, x.side.conf.MediaPortFirst, x.side.conf.MediaPortLast, local)
}

// checkRouter asks the routers of a network.
func checkRouter(ctx context.Context, s *survey, x subject) finding {
	if len(x.side.routers) == 0 {
		return finding{}.fails("no default route leads out of port %s", x.side.label()).
			by("Add it in context ip %s, with the address of the provider's router: `routing-table DEFAULT`, `route 0.0.0.0/0 gateway A.B.C.D`.", x.side.context)
	}
	var f finding
	silent := 0
	for _, r := range x.side.routers {
		how, there := s.neighbour(ctx, r)
		if f = f.saw("router %s: %s", r, how); !there {
			silent++
		}
	}
	switch {
	case silent == len(x.side.routers):
		return f.fails("the router of port %s does not answer, not even to ARP", x.side.label())
	case silent > 0:
		return f.warns("%d of %d routers do not answer", silent, len(x.side.routers))
	}
	return f
}

// neighbour reports whether a host of an attached network is there: it answers ping, or ARP.
func (s *survey) neighbour(ctx context.Context, a netip.Addr) (how string, there bool) {
	h, err := diag.Echo(ctx, diag.Echoes{To: a, Size: 56})
	if err == nil && h.Reply {
		mac := ""
		if n, known := s.known(a); known && n.MAC != "" {
			mac = ", " + n.MAC
		}
		return fmt.Sprintf("answers ping in %s%s", ms(h.Took), mac), true
	}
	// Without a reply the hardware address says whether the host is there. One that the kernel knew before may be half a minute old.
	if err := s.c.o.Box.AskNeighbour(a); err != nil {
		return "no answer: " + err.Error(), false
	}
	every := time.NewTicker(200 * time.Millisecond)
	defer every.Stop()
	for end := time.Now().Add(5 * time.Second); ; {
		n, known := s.known(a)
		switch {
		case known && (n.State == status.NeighbourReachable || n.State == status.NeighbourFixed):
			return "answers ARP, " + n.MAC + ", but no ping", true
		case known && n.State == status.NeighbourSilent, !known && err != nil, time.Now().After(end):
			return "no answer", false
		}
		select {
		case <-ctx.Done():
			return "no answer in time", false
		case <-every.C:
		}
	}
}

func (s *survey) known(a netip.Addr) (status.Neighbour, bool) {
	list, err := s.c.o.Box.Neighbours()
	if err != nil {
		return status.Neighbour{}, false
	}
	for _, n := range list {
		if n.Address == a {
			return n, true
		}
	}
	return status.Neighbour{}, false
}

const (
	ipHeaders  = 28   // of IP and ICMP, in front of the data of a ping
	usualMTU   = 1500 // where the interface says nothing else
	leastMTU   = 1280 // below, no link is
	mtuTimeout = 12 * time.Second
)

// checkMTU looks for the largest packet that comes through to a hub, and for routers that drop larger ones without a word.
func checkMTU(ctx context.Context, s *survey, x subject) finding {
	ctx, cancel := context.WithTimeout(ctx, mtuTimeout)
	defer cancel()
	ours := usualMTU
	if x.side.conf.MTU != 0 {
		ours = x.side.conf.MTU
	}
	to, router := s.pinged(ctx, x.side)
	if !to.IsValid() {
		return ok("no hub answers ping, so the largest packet of the path is not known")
	}
	sent := func(size int) diag.Heard {
		var h diag.Heard
		for range 2 { // one may be lost
			if h, _ = diag.Echo(ctx, diag.Echoes{To: to, Source: x.side.local, Size: size - ipHeaders, Whole: true}); h.Reply || h.Large || ctx.Err() != nil {
				break
			}
		}
		return h
	}
	h := sent(ours)
	what := "hub"
	if router {
		what = "router"
	}
	switch {
	case h.Reply:
		return ok(fmt.Sprintf("packets of %d octets reach the %s %s", ours, what, to))
	case h.Large && h.From.IsValid():
		return ok(fmt.Sprintf("the router %s says that the next link takes %d octets; TCP finds that out by itself", h.From, h.MTU))
	case ctx.Err() != nil:
		return ok("the path was too slow to be measured")
	}
	least, most := leastMTU, ours // least passes, most does not
	if !sent(least).Reply {
		return ok(fmt.Sprintf("the %s %s answers small pings only, so the largest packet of the path is not known", what, to))
	}
	for most-least > 1 && ctx.Err() == nil {
		least, most = narrowed(least, most, func(size int) bool { return sent(size).Reply })
	}
	f := ok(fmt.Sprintf("%d octets reach %s, %d do not, and no router says so", least, to, most))
	if s.handshakes(ctx, x.side) {
		return f.saw("TLS handshakes with Teams succeed, which need larger packets: only large pings get lost")
	}
	return f.fails("packets of more than %d octets vanish on the path to Teams", least).
		paste(append(x.side.path(), fmt.Sprintf("mtu %d", least), "tcp adjust-mss rx mtu", "tcp adjust-mss tx mtu", "end")...).
		by("Set the size at the interface, or have the network's administrator let ICMP \"fragmentation needed\" pass.")
}

// handshakes reports whether TLS works with some hub: its certificates fill whole packets.
func (s *survey) handshakes(ctx context.Context, x *side) bool {
	for _, p := range s.peers {
		if p.teams && p.side == x && !p.test && slices.ContainsFunc(s.dial(ctx, p), func(d dialled) bool { return d.err == nil }) {
			t := s.talk(ctx, p)
			return t.handshake > 0 && !t.classic
		}
	}
	return false
}

// narrowed tries sizes between one that passes and one that does not, all at once, and returns the two that are nearest to the limit.
func narrowed(least, most int, passes func(size int) bool) (int, int) {
	const sizes = 12
	step := max(1, (most-least)/(sizes+1))
	var mu sync.Mutex
	var tried []int
	through := map[int]bool{}
	var all sync.WaitGroup
	for size := least + step; size < most && len(tried) < sizes; size += step {
		tried = append(tried, size)
		all.Go(func() {
			yes := passes(size)
			mu.Lock()
			defer mu.Unlock()
			through[size] = yes
		})
	}
	all.Wait()
	for _, size := range tried {
		if through[size] {
			least = size
		}
	}
	for _, size := range tried {
		if !through[size] && size > least {
			most = min(most, size)
		}
	}
	return least, most
}

// pinged is a host on the path to Teams that answers ping: a hub, else a router.
func (s *survey) pinged(ctx context.Context, x *side) (to netip.Addr, router bool) {
	answers := func(a netip.Addr) bool {
		h, err := diag.Echo(ctx, diag.Echoes{To: a, Source: x.local, Size: 56})
		return err == nil && h.Reply
	}
	for _, p := range s.peers {
		if p.teams && p.side == x && !p.test {
			if f := s.find(ctx, p); len(f.addrs) > 0 && answers(f.addrs[0].Addr()) {
				return f.addrs[0].Addr(), false
			}
		}
	}
	for _, r := range x.routers {
		if answers(r) {
			return r, true
		}
	}
	return netip.Addr{}, false
}

// ms writes a time as people do.
func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
