// Package whatif replays calls of the past under another configuration: which of them would go elsewhere, call another number, show
// another caller, or be refused.
//
// It asks the tables of both configurations with the properties that a record holds, and compares what they plan. A call that went by the
// routes of a survival goes by those of the same name. It changes nothing, and knows no state: neither licenses nor whether a peer answers,
// nor how Teams users are, nor which phones have registered. How long it may take is up to its caller's context.
package whatif

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/forecast"
	"viaduct/appliance/party"
	"viaduct/appliance/route"
	"viaduct/appliance/status"
)

const (
	Calls  = 10_000 // the most calls that are replayed, the last ones
	groups = 100    // the most ways that are told apart
)

// Replay compares how calls go under two configurations. Resolved gives the addresses of a name without waiting.
func Replay(ctx context.Context, records []status.Record, since time.Time, now, then *config.Config, resolved func(string) []netip.Addr) status.WhatIf {
	r := status.WhatIf{Since: since}
	old, next := newTables(now, resolved), newTables(then, resolved)
	found := map[string]*status.WhatIfGroup{}
	for _, x := range records {
		switch {
		case x.Started.Before(since):
		case x.Version < 2:
			r.TooOld++
		case ctx.Err() != nil:
			r.NotAsked++
		default:
			r.Calls++
			a, b := old.plan(&x), next.plan(&x)
			change, text := compare(a, b)
			if change == "" {
				r.Same++
				continue
			}
			key := string(change) + text
			g := found[key]
			if g == nil && len(found) >= groups {
				text = "in still other ways"
				key = string(change)
				g = found[key]
			}
			if g == nil {
				g = &status.WhatIfGroup{Change: change, Text: text}
				g.Example.ID, g.Example.Started, g.Example.Calling, g.Example.Called = x.ID, x.Started, x.Calling, x.Called
				g.Example.Now, g.Example.Then = a.String(), b.String()
				found[key] = g
			}
			g.Calls++
			if x.Emergency {
				g.Emergency++
			}
		}
	}
	for _, g := range found {
		r.Groups = append(r.Groups, *g)
	}
	slices.SortFunc(r.Groups, func(a, b status.WhatIfGroup) int {
		return cmp.Or(b.Emergency-a.Emergency, b.Calls-a.Calls, strings.Compare(string(a.Change), string(b.Change)), strings.Compare(a.Text, b.Text))
	})
	return r
}

// tables are those of one configuration.
type tables struct {
	cfg        *config.Config
	interfaces map[string]config.InterfaceID // as records name them
	resolved   func(string) []netip.Addr
}

func newTables(cfg *config.Config, resolved func(string) []netip.Addr) tables {
	t := tables{cfg, map[string]config.InterfaceID{}, resolved}
	for _, sw := range cfg.CS {
		for _, i := range sw.Interfaces {
			t.interfaces[i.ID().String()] = i.ID()
		}
	}
	return t
}

// plan is where a call would go.
type plan struct {
	refused string // why it would be refused; "": it would not
	code    int
	to      []destination
}

// destination is an interface, with what its peer is told.
type destination struct{ iface, called, caller string }

func (p plan) String() string {
	if p.refused != "" {
		return fmt.Sprintf("refused with %d: %s", p.code, p.refused)
	}
	var text []string
	for n, d := range p.to {
		if n > 0 && d.called == p.to[n-1].called && d.caller == p.to[n-1].caller {
			text = append(text, d.iface)
			continue
		}
		text = append(text, fmt.Sprintf("%s calling %s for %s", d.iface, d.called, d.caller))
	}
	return strings.Join(text, ", then ")
}

// plan asks the tables with what a record says of a call.
func (t tables) plan(r *status.Record) plan {
	from, known := t.interfaces[r.From]
	if !known {
		return plan{refused: "interface " + r.From + " does not exist", code: 404}
	}
	a := &r.Asked
	p, err := route.Around(t.cfg, from, route.Call{
		CalledE164: r.Called, CallingE164: r.Calling, CalledURI: a.CalledURI, CallingURI: a.CallingURI, CalledName: a.CalledName, CallingName: a.CallingName,
		CalledIP: a.CalledIP, CallingIP: a.CallingIP, CallingPI: a.CallingPI, CallingSI: a.CallingSI, Time: r.Started.In(t.cfg.Clock.Location()),
	}, t.detour(r, from))
	if err != nil {
		return turnedAway(p, err)
	}
	x := plan{}
	why := "no destination"
	for n := range p.Attempts {
		attempt := &p.Attempts[n]
		_, i := attempt.Interface.In(t.cfg)
		if i == nil {
			why = attempt.Interface.String() + " does not exist"
			continue
		}
		if unusable := forecast.Unusable(t.cfg, i); unusable != "" {
			why = i.ID().String() + ": " + unusable
			continue
		}
		id := party.Identify(t.cfg, i, attempt, t.resolved)
		caller := cmp.Or(id.Account, party.ParseAddress(id.From.URI).User)
		x.to = append(x.to, destination{iface: i.ID().String(), called: id.RequestURI.User + "@" + id.RequestURI.Host, caller: caller})
	}
	if len(x.to) == 0 {
		x.refused, x.code = "no destination can be called, "+why, 503
	}
	return x
}

// detour is the way of a call that came while a peer was gone, as this configuration has it.
func (t tables) detour(r *status.Record, from config.InterfaceID) route.Detour {
	sw, i := from.In(t.cfg)
	s := config.Ref[config.Switch, config.Survival]{Name: r.Survival}.In(sw)
	if s == nil {
		return route.Detour{}
	}
	for _, way := range s.Routes {
		if way.From.In(sw) == i {
			return route.Detour{Survival: s.Name, Dest: way.Dest}
		}
	}
	return route.Detour{}
}

// turnedAway is a refusal by the tables, without the numbers of the call: calls are grouped by it.
func turnedAway(p *route.Plan, err error) plan {
	x := plan{refused: err.Error(), code: 404}
	var e *route.Error
	if errors.As(err, &e) {
		x.code = route.SIPFromCause(e.Cause)
	}
	if n := len(p.Trace); n > 0 && p.Trace[n-1].Action == route.ActionReject && p.Trace[n-1].Table != "call" {
		x.refused = p.Trace[n-1].Table + ": " + p.Trace[n-1].After
	}
	return x
}

// compare says what is different; "": nothing.
func compare(now, then plan) (status.WhatIfChange, string) {
	switch {
	case now.refused != "" && then.refused != "":
		return "", "" // for whatever reason
	case then.refused != "":
		return status.WouldBeRefused, then.refused
	case now.refused != "":
		return status.WouldBeAccepted, then.interfaces()
	case now.interfaces() != then.interfaces():
		return status.WouldGoElsewhere, now.interfaces() + " => " + then.interfaces()
	}
	for n := range now.to {
		if now.to[n].called != then.to[n].called {
			return status.WouldCallAnother, then.to[n].iface
		}
	}
	for n := range now.to {
		if now.to[n].caller != then.to[n].caller {
			return status.WouldShowAnother, then.to[n].iface
		}
	}
	return "", ""
}

func (p plan) interfaces() string {
	var list []string
	for _, d := range p.to {
		list = append(list, d.iface)
	}
	return strings.Join(list, ", ")
}
