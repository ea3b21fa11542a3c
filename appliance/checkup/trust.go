package checkup

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// checkTrust looks for networks of Teams that no interface of a gateway trusts.
func checkTrust(_ context.Context, s *survey, x subject) finding {
	var missing, all []netip.Prefix
	var path []string
	line := "trust microsoft-teams"
	for _, p := range s.peers {
		if !p.teams || p.gateway != x.owner.gateway || p.test {
			continue
		}
		left := p.conf.Untrusted()
		if all == nil {
			all, missing = p.conf.Present(), slices.Clone(left)
		}
		if len(all) == 1 { // a cloud of the US government
			line = "trust " + all[0].String()
		}
		missing = slices.DeleteFunc(missing, func(n netip.Prefix) bool { return !slices.Contains(left, n) })
		if path == nil && len(left) > 0 {
			path = []string{"configure", "context cs " + p.conf.Context, "interface sip " + p.conf.Name, line, "end"}
		}
	}
	if len(missing) == 0 {
		return ok("calls of all networks of Teams are taken: " + listed(all))
	}
	f := finding{}.fails("calls from %s are dropped: no interface of the gateway trusts that network", listed(missing)).paste(path...)
	if len(all) == 1 {
		return f.by("This cloud of Microsoft calls from a network of its own.")
	}
	return f.by("Teams calls from any of its networks. `trust microsoft-teams` stands for all of them.")
}

// need is what an access list has to let pass.
type need struct {
	list   *config.ACL
	what   string
	from   []netip.Prefix // networks of Teams, at either end
	packet func(teams netip.Addr) config.Packet
	rule   string // that permits it
}

// needs are those of one network towards Teams.
func (s *survey) needs(x *side, p *peer) (list []need) {
	in, out := x.conf.ACLIn.In(s.cfg), x.conf.ACLOut.In(s.cfg)
	here, first, last := x.local, x.conf.MediaPortFirst, x.conf.MediaPortLast
	if in != nil {
		list = append(list, need{in, "calls", config.TeamsPresent, func(a netip.Addr) config.Packet {
			return config.Packet{Protocol: "tcp", Source: a, To: here, DestinationPort: p.at.TLS}
		}, fmt.Sprintf("permit tcp microsoft-teams any port %d", p.at.TLS)})
		for _, port := range []uint16{first, last} {
			list = append(list, need{in, "voice", config.TeamsMedia, func(a netip.Addr) config.Packet {
				return config.Packet{Protocol: "udp", Source: a, To: here, DestinationPort: port}
			}, fmt.Sprintf("permit udp microsoft-teams any port %d %d", first, last)})
		}
	}
	if out != nil {
		list = append(list, need{out, "the box's calls", config.TeamsPresent, func(a netip.Addr) config.Packet {
			return config.Packet{Protocol: "tcp", Source: here, To: a, DestinationPort: s.portOf(p)}
		}, fmt.Sprintf("permit tcp any microsoft-teams port %d", s.portOf(p))}, need{out, "the box's voice", config.TeamsMedia, func(a netip.Addr) config.Packet {
			return config.Packet{Protocol: "udp", Source: here, To: a, DestinationPort: 50000} // some port of a media processor
		}, "permit udp any microsoft-teams"})
	}
	return list
}

// checkACL looks for rules of access lists that leave out networks of Teams.
func checkACL(_ context.Context, s *survey, x subject) finding {
	if x.side.conf.ACLIn.In(s.cfg) == nil && x.side.conf.ACLOut.In(s.cfg) == nil {
		return ok("no access list")
	}
	n := slices.IndexFunc(s.peers, func(p *peer) bool { return p.teams && p.side == x.side && !p.test })
	if n < 0 {
		return ok()
	}
	var f finding
	cure := []string{"configure"}
	var mended []string // rules that the cure has
	taken := map[*config.ACL][]int{}
	for _, want := range s.needs(x.side, s.peers[n]) {
		missing, by := want.dropped()
		if len(missing) == 0 || slices.Contains(mended, want.list.Name+want.rule) {
			continue
		}
		which := "no rule permits it"
		if by != nil {
			which = fmt.Sprintf("rule %d denies it", by.Index)
		}
		f = f.fails("profile acl %s drops %s of %s: %s", want.list.Name, want.what, listed(missing), which)
		mended = append(mended, want.list.Name+want.rule)
		if index := freeIndex(want.list, by, taken[want.list]); index > 0 {
			taken[want.list] = append(taken[want.list], index)
			cure = append(cure, "profile acl "+want.list.Name, fmt.Sprintf("rule %d %s", index, want.rule))
		}
	}
	if f.problem == "" {
		return ok("the access lists let all networks of Teams pass")
	}
	if len(cure) > 1 {
		f = f.paste(append(cure, "end")...)
	}
	return f.by("The list must permit the port of the gateway and the media ports for `microsoft-teams`, before the rule that denies them.")
}

// dropped returns the parts of the networks that the list does not let pass, and the first rule that denies one. It looks at parts of /16, and at one
// address of each: an administrator may deny single addresses.
func (n need) dropped() (missing []netip.Prefix, by *config.ACLRule) {
	for _, network := range n.from {
		for _, part := range sixteens(network) {
			p := n.packet(part.Addr().Next())
			if n.list.Permits(p) {
				continue
			}
			if missing = append(missing, part); by == nil {
				by = n.list.Decides(p)
			}
		}
	}
	return missing, by
}

// freeIndex is an index for a new rule, before the one that denies or else behind all; 0: there is none.
func freeIndex(l *config.ACL, before *config.ACLRule, taken []int) int {
	used := func(n int) bool {
		return slices.Contains(taken, n) || slices.ContainsFunc(l.Rules, func(r config.ACLRule) bool { return r.Index == n })
	}
	if before == nil {
		n := 10
		for _, r := range l.Rules {
			n = max(n, r.Index+10)
		}
		for used(n) {
			n += 10
		}
		return n
	}
	n := before.Index - 1
	for n > 0 && used(n) {
		n--
	}
	return max(n, 0)
}

// sixteens cuts a network into parts of /16.
func sixteens(n netip.Prefix) (list []netip.Prefix) {
	for a := n.Masked().Addr(); n.Contains(a); {
		list = append(list, netip.PrefixFrom(a, max(16, n.Bits())))
		b := a.As4()
		if n.Bits() >= 16 || b[1] == 255 {
			break
		}
		b[1]++
		a = netip.AddrFrom4(b)
	}
	return list
}

// checkMediaPorts compares the ports of a side with the sessions that are licensed.
func checkMediaPorts(_ context.Context, s *survey, x subject) finding {
	first, last := int(x.side.conf.MediaPortFirst), int(x.side.conf.MediaPortLast)
	room := (last - first + 1) / 2 // RTP and RTCP
	sessions := 0
	for _, p := range s.c.o.Box.Licenses().Pools {
		if p.Name == status.SessionPool {
			sessions = p.Total
		}
	}
	f := ok(fmt.Sprintf("UDP %d-%d: room for %s, %s licensed", first, last, plural.Of(room, "call"), plural.Of(sessions, "session")))
	if room < sessions {
		f = f.warns("there are media ports for %d calls only, and %s", room, plural.Of(sessions, "licensed session"))
		if last = first + 2*sessions + 1; last <= 65535 {
			f = f.paste(append(x.side.path(), fmt.Sprintf("media-ports %d %d", first, last), "end")...)
		}
		return f.by("Widen the range, here and in every firewall on the way.")
	}
	return f
}
