package explain

import (
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/config"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
)

// way tells which tables sent the call where. The steps behind the first destination are those of further destinations.
func (x *explanation) way() {
	r := &x.r
	is := map[string]string{
		string(config.CalledE164): r.Called, string(config.CallingE164): r.Calling, string(config.CalledURI): r.Asked.CalledURI, string(config.CallingURI): r.Asked.CallingURI,
		string(config.CalledName): r.Asked.CalledName, string(config.CallingName): r.Asked.CallingName,
	}
	for n, s := range r.Route {
		if s.Action == route.ActionCall {
			break
		}
		to, written := split(s.After)
		if s.Action == route.ActionSet && is[to] == written {
			continue // it was so already
		}
		is[to] = written
		if text := step(s, n == len(r.Route)-1, leadsToPhones(s, r.Route[n+1:])); text != "" {
			x.say(Way, "%s", text)
		}
	}
	if r.CalledMapped != "" && (r.CalledMapped != r.Called || r.CallingMapped != r.Calling) {
		x.say(Way, "It went on as a call from %s to %s", known(r.CallingMapped, "nobody"), r.CalledMapped)
	}
}

// leadsToPhones reports whether a step sends the call to a service of phones, as one of the steps behind it shows.
func leadsToPhones(s status.RouteStep, behind []status.RouteStep) bool {
	name, ok := strings.CutPrefix(s.After, "dest-service ")
	return ok && slices.ContainsFunc(behind, func(x status.RouteStep) bool {
		return x.Table == "service "+name && strings.HasPrefix(x.Entry, "bind location-service ")
	})
}

// step tells one step; "" for one that says nothing new. Phones: it sends the call to a service of phones.
func step(s status.RouteStep, last, phones bool) string {
	entry := ""
	if s.Entry != "" {
		entry = fmt.Sprintf(" (%s)", s.Entry)
	}
	property, value := split(s.Before)
	switch s.Action {
	case route.ActionGo:
		kind, _, _ := strings.Cut(s.Table, " ")
		if kind == "interface" && strings.HasPrefix(s.After, "dest-table ") && !last || kind == "service" {
			return "" // the table says so, and the destinations
		}
		if phones {
			return fmt.Sprintf("%s%s sent it to the phones of %s", s.Table, entry, strings.TrimPrefix(s.After, "dest-"))
		}
		return fmt.Sprintf("%s%s sent it to %s", s.Table, entry, destination(s.After))
	case route.ActionSet:
		to, written := split(s.After)
		return fmt.Sprintf("%s%s: %s %s gave %s %s", s.Table, entry, property, value, to, written)
	case route.ActionNone:
		return fmt.Sprintf("%s has no line for %s %s", s.Table, property, value)
	case route.ActionKept:
		return fmt.Sprintf("%s%s changed nothing: %s", s.Table, entry, s.After)
	case route.ActionReject:
		if s.Before != "" {
			return fmt.Sprintf("%s turned it away, asked for %s %s: %s", s.Table, property, value, s.After)
		}
		return fmt.Sprintf("%s turned it away: %s", s.Table, s.After)
	}
	return ""
}

// split takes `called-e164 "+49"` apart. An empty value is called so.
func split(s string) (property, value string) {
	property, value, _ = strings.Cut(s, " ")
	if value = strings.TrimSuffix(strings.TrimPrefix(value, `"`), `"`); value == "" {
		value = "(empty)"
	}
	return property, value
}

// destination says `dest-service hg_x` in words.
func destination(s string) string {
	kind, name, _ := strings.Cut(s, " ")
	switch kind {
	case "dest-table":
		return "routing-table " + name
	case "dest-service":
		return "hunt-group " + name
	case "dest-interface":
		return "interface " + name
	}
	return s
}
