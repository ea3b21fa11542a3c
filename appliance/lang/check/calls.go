package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
)

// checkSwitches looks for contexts that route nothing.
func checkSwitches(c *checker) {
	for _, s := range c.cfg.CS {
		if !s.Enabled && len(s.Interfaces)+len(s.RoutingTables) > 0 {
			c.in(s, Warning, "context cs "+s.Name+" is shut down: no call will be routed", "no shutdown")
		}
		for _, f := range s.Functions {
			if runsItself(s, f, f.Name, 0) {
				c.add(c.headers[f], Warning, "complex-function "+f.Name+" runs itself", "")
			}
		}
	}
}

// deepest limits how deep functions may run each other.
const deepest = 16

func runsItself(in *config.Switch, f *config.ComplexFunction, name string, depth int) bool {
	for _, s := range f.Steps {
		_, next := s.Run.In(in)
		if next != nil && (next.Name == name || depth < deepest && runsItself(in, next, name, depth+1)) {
			return true
		}
	}
	return false
}

// checkInterfaces looks for interfaces that cannot make or take calls.
func checkInterfaces(c *checker) {
	c.interfaces(func(_ *config.Switch, i *config.SIPInterface, g *config.SIPGateway) {
		w := c.headers[i]
		if i.Gateway.IsZero() {
			c.add(w, Warning, "interface sip "+i.Name+" has no bind context sip-gateway: it can neither call nor be called", "")
		}
		if i.Route.IsZero() {
			c.add(w, Warning, "interface sip "+i.Name+" has no route call: incoming calls are rejected", "")
		}
		if i.Remote.Host == "" && i.Phones.IsZero() {
			c.add(w, Warning, "interface sip "+i.Name+" has no remote: it cannot call", "")
		}
		if len(i.Trust) == 0 && !i.Phones.IsZero() {
			c.in(i, Warning, "interface sip "+i.Name+" has no trust line: no phone can register or call", c.trustAttached(g))
		} else if len(i.Trust) == 0 {
			c.in(i, Warning, "interface sip "+i.Name+" has no trust line: its requests get no response", "trust remote")
		} else if a := c.untrustedRemote(i); a.IsValid() && i.Phones.IsZero() {
			c.in(i, Warning, fmt.Sprintf("no trust line of interface sip %s covers its own remote (%s): requests from the peer are dropped", i.Name, a), "trust remote")
		}
		for n, o := range i.Outgoing {
			if o.Header == "contact-header" && o.Part == "user-part" && strings.Contains(o.Fix, ".") {
				c.add(c.at(i, "Outgoing", n), Note,
					fmt.Sprintf("%s becomes the user part of Contact; its host part comes from spoofed contact-header", o.Fix),
					"no address-translation outgoing-call contact-header user-part")
			}
		}
		if p := i.PenaltyBox; p.Timeout > p.Interval {
			c.add(c.at(i, "PenaltyBox"), Warning, "the timeout is longer than the interval", "")
		}
		if g != nil && !g.Enabled {
			c.in(g, Warning, "context sip-gateway "+g.Name+" is shut down: its interfaces can neither call nor be called", "no shutdown")
		}
	})
}

// untrustedRemote returns an address of an interface's peer that none of its trust lines covers. Only a running box can resolve names.
func (c *checker) untrustedRemote(i *config.SIPInterface) netip.Addr {
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(i.Remote.Host); err == nil {
		addrs = []netip.Addr{a}
	} else if c.env.Resolve != nil && i.Remote.Host != "" {
		addrs, _ = c.env.Resolve(i.Remote.Host)
	}
	for _, a := range addrs {
		if !slices.ContainsFunc(i.Trust, func(t config.Source) bool {
			return t.Remote || t.Prefix.IsValid() && t.Prefix.Contains(a) ||
				t.Teams && slices.ContainsFunc(config.TeamsSignalling, func(p netip.Prefix) bool { return p.Contains(a) })
		}) {
			return a
		}
	}
	return netip.Addr{}
}

// checkHuntGroups looks for hunt groups that cannot hunt.
func checkHuntGroups(c *checker) {
	for _, s := range c.cfg.CS {
		for _, h := range s.HuntGroups {
			if len(h.Routes) == 0 {
				c.add(c.headers[h], Warning, "service hunt-group "+h.Name+" has no destination", "")
			}
			if h.Timeout > 0 && h.Timeout < 10*time.Second {
				c.add(c.at(h, "Timeout"), Note, "the timeout ends with the first response, even 100 Trying; a ringing phone is not interrupted", "")
			}
		}
	}
}

// checkCallingNumber looks for calls from a PBX that would reach Teams with a calling number that Teams does not accept.
func checkCallingNumber(c *checker) {
	for _, s := range c.cfg.CS {
		if s.CountryCode != "" {
			continue
		}
		for _, i := range s.Interfaces {
			if i.Teams() || writesCalling(s, config.FunctionRef{Name: i.MappingIn.Name}, 0) {
				continue
			}
			c.unmappedPath(s, i.Route, 0, map[string]bool{})
		}
	}
}

// unmappedPath follows the routes from dest and reports those that lead to Teams without mapping the calling number.
func (c *checker) unmappedPath(s *config.Switch, dest config.Dest, depth int, seen map[string]bool) {
	t := dest.Table.In(s)
	if t == nil || depth > deepest || seen[t.Name] {
		return
	}
	seen[t.Name] = true
	for n, r := range t.Routes {
		if writesCalling(s, r.Function, 0) {
			continue
		}
		if endsAtTeams(s, r.Dest) {
			w, h := c.at(t, "Routes", n), c.headers[s]
			c.problems = append(c.problems, Problem{Path: w.Path, Source: w.Source, Severity: Warning,
				Text: "no table maps the calling number on the way to Teams, which requires a leading +: " +
					"add a mapping-table to calling-e164, or country-code, international-prefix and national-prefix",
				Fix: "country-code COUNTRY", FixPath: append(slices.Clone(h.Path), h.Source)})
		}
		c.unmappedPath(s, r.Dest, depth+1, seen)
	}
}

// endsAtTeams reports whether a destination is Teams, directly or through a hunt group.
func endsAtTeams(s *config.Switch, d config.Dest) bool {
	if i := d.Interface.In(s); i != nil {
		return i.Teams()
	}
	if h := serviceMeant(s, d.Service); h != nil {
		return slices.ContainsFunc(h.Routes, func(r config.HuntRoute) bool {
			i := r.Dest.Interface.In(s)
			return i != nil && i.Teams()
		})
	}
	return false
}

// serviceMeant returns the service with this name or, if the name is wrong, the only service that exists.
func serviceMeant(s *config.Switch, r config.ServiceRef) *config.HuntGroup {
	h, phones := r.In(s)
	if h == nil && phones == nil && !r.IsZero() && len(s.HuntGroups) == 1 {
		h = s.HuntGroups[0]
	}
	return h
}

// writesCalling reports whether a function writes the calling number.
func writesCalling(in *config.Switch, r config.FunctionRef, depth int) bool {
	m, f := r.In(in)
	if m != nil {
		return m.Out == config.CallingE164 || m.Out == config.E164
	}
	return f != nil && depth < deepest && slices.ContainsFunc(f.Steps, func(s config.Step) bool { return writesCalling(in, s.Run, depth+1) })
}
