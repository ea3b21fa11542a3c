package usermatch

import (
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/party"
	"viaduct/appliance/printable"
	"viaduct/appliance/route"
)

// numbers knows which identity has a telephone number, both ways: where a call goes that the PBX makes to an identity, and which identity
// the caller becomes when a number calls. The routing of the configuration itself is asked.
type numbers struct {
	switches []switched
	names    index
}

// switched is what one context cs makes of numbers.
type switched struct {
	of        *config.Switch
	called    map[string][]string  // number to the identities whose calls go there
	functions []config.FunctionRef // which may make a caller's number an identity
}

// workday is when routes of times of day are asked: on a working day at ten.
var workday = time.Date(2026, time.January, 14, 10, 0, 0, 0, time.UTC)

func newNumbers(cfg *config.Config, names index) *numbers {
	n := &numbers{names: names}
	for _, sw := range cfg.CS {
		s := switched{of: sw, called: map[string][]string{}, functions: functions(sw)}
		for _, i := range sw.Interfaces {
			s.follow(cfg, i)
		}
		n.switches = append(n.switches, s)
	}
	return n
}

// follow routes a call to each identity with which the box is registered through the gateway of an interface, as the peer there would make it.
func (s *switched) follow(cfg *config.Config, i *config.SIPInterface) {
	gw := i.Gateway.In(cfg)
	if gw == nil {
		return
	}
	host := hostOf(cfg, gw)
	for _, ref := range gw.Location {
		l := ref.In(cfg)
		if l == nil {
			continue
		}
		for _, identity := range l.Identities {
			plan, _ := route.New(cfg, i.ID(), route.Call{CalledE164: identity.Name, CalledURI: party.Address{User: identity.Name, Host: host}.String(), Time: workday})
			for n := range plan.Attempts {
				a := &plan.Attempts[n]
				number := s.number(a.Call.Get(a.Called()))
				if number != "" && !slices.Contains(s.called[number], identity.Name) {
					s.called[number] = append(s.called[number], identity.Name)
				}
			}
		}
	}
}

// hostOf is the host of the contacts that a gateway registers.
func hostOf(cfg *config.Config, gw *config.SIPGateway) string {
	for _, i := range gw.Interfaces {
		if a := cfg.Address(i.Bind); a.IsValid() {
			return a.String()
		}
	}
	return "localhost" // a server of the network says which, and no table can name it
}

// functions lists what routes and interfaces run on calls.
func functions(sw *config.Switch) (list []config.FunctionRef) {
	add := func(f config.FunctionRef) {
		if !f.IsZero() && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	for _, t := range sw.RoutingTables {
		for _, r := range t.Routes {
			add(r.Function)
		}
	}
	for _, i := range sw.Interfaces {
		add(config.FunctionRef(i.MappingIn))
		add(config.FunctionRef(i.MappingOut))
	}
	return list
}

// number is a telephone number as the world knows it, as far as the context says how; "" for what is none.
func (s *switched) number(text string) string {
	if a := party.ParseAddress(text); a.Host != "" {
		text = a.User
	}
	text = party.Number(s.of, "tel:"+strings.TrimPrefix(strings.TrimSpace(text), "tel:"))
	if !party.IsNumber(text) {
		return ""
	}
	return party.International(s.of, text)
}

// caller returns the identities that a calling number is made.
func (s *switched) caller(number string, names index) (list []string) {
	uri := "sip:" + number + "@" + hub + ";user=phone"
	for _, f := range s.functions {
		c, err := route.Run(s.of, f, route.Call{CallingE164: number, CallingURI: uri, Time: workday})
		if err != nil || c.CallingURI == uri {
			continue
		}
		for _, identity := range names.of(party.ParseAddress(c.CallingURI).User) {
			if !slices.Contains(list, identity) {
				list = append(list, identity)
			}
		}
	}
	return list
}

// hub is the host from which Teams calls.
const hub = "sip.pstnhub.microsoft.com"

// of returns the identities of the numbers of a user, and why there are none.
func (n *numbers) of(phones []string) (list []string, why func() string) {
	var number, bad string
	for _, phone := range phones {
		bad = phone
		for i := range n.switches {
			s := &n.switches[i]
			called := s.number(phone)
			if called == "" {
				continue
			}
			number = called
			for _, identity := range slices.Concat(s.called[called], s.caller(called, n.names)) {
				if !slices.Contains(list, identity) {
					list = append(list, identity)
				}
			}
		}
	}
	slices.Sort(list)
	return list, func() string {
		switch {
		case number != "":
			return "the routing leads no identity to or from the business phone " + printable.Text(number)
		case bad != "":
			return "the business phone " + printable.Text(bad) + " is no telephone number"
		}
		return "has no business phone in the directory"
	}
}
