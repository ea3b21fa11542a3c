// Package route decides where a call goes: mapping tables, complex functions, routing tables and hunt groups of a configuration, as
// pure functions with a trace. It owns what these tables mean; how a key matches is config.Pattern's. It does not know whether a
// peer answers: the call layer walks a Plan's attempts and asks it whether a failure goes on to the next. It reads no clock, opens
// nothing and has no goroutines; lookups in large tables are indexed, and an index lives as long as its table (see index.go).
//
// # What the call layer fills in before routing
//
//   - CalledE164: user part of the Request-URI.
//   - CalledURI: the To or the Request-URI as it stands, for example sip:user.01@192.168.1.1. For a PBX that calls a contact which we
//     registered, the user part is the account, so the table that turns accounts into numbers looks here.
//   - CallingE164, CallingURI, CallingName: user part, URI and display name of the From header.
//   - CallingPI: "restricted" for a caller who does not want to be seen, else "allowed" or empty.
//   - CalledIP, CallingIP: address that the request came to, and from.
//   - Time: now, in the box's local zone, for tables of time, date and day-of-week.
//
// `address-translation incoming-call` lines may say otherwise for one of them. URIs come without display name and angle brackets;
// parameters do no harm, because e164 properties are cut at them.
//
// # What it finds afterwards, in the configuration of the published Teams set-up
//
// A call from the Teams user +497123222 to +4930123456 comes in with CalledE164 +4930123456, CallingE164 +497123222 and CallingURI
// sip:+497123222@sip.pstnhub.microsoft.com;user=phone. The function cf_teams2starface makes CallingE164 from the URI (again
// +497123222), then CallingURI sip:user.01@192.168.1.100 from the number: the account as which we call the PBX. CalledE164 stays as it
// was, except for internal calls: +49222 becomes 222. The one attempt goes to if_sip_starface.
//
// A call from the PBX to its registered contact sip:user.01@192.168.1.1 comes in with that CalledURI and CalledE164 user.01. The
// function cf_starface2teams makes CalledE164 +497123222 from the URI; three attempts follow, one for each of Microsoft's names.
//
// In each attempt, Called and Calling tell which property stands for a party in the outgoing headers.
package route

import (
	"fmt"
	"slices"

	"viaduct/appliance/config"
)

// Error says why a call is not routed.
type Error struct {
	Cause int // Q.850, see SIPFromCause
	Text  string
}

func (e *Error) Error() string { return e.Text }

// Causes with which routing itself rejects a call.
const (
	noRoute    = 3  // no route to destination
	badNumber  = 28 // invalid number format
	loop       = 25 // exchange routing error
	outOfOrder = 38 // network out of order: for Teams a reason to try another SBC (503)
)

// Detour is where calls of an interface go while a peer is gone (`survival`). The zero value: where its `route call` says.
type Detour struct {
	Survival string // its name
	Dest     config.Dest
}

// New plans the call that came in on the SIP interface called from. The plan is never nil: with an error, which is an *Error, it
// holds the trace up to that point and no attempts.
func New(cfg *config.Config, from config.InterfaceID, call Call) (*Plan, error) {
	return Around(cfg, from, call, Detour{})
}

// Around is New, with a detour in the place of the interface's `route call`. A call to an emergency number has both, the detour first: whoever wrote
// the tables of a survival may have thought of other calls only.
func Around(cfg *config.Config, from config.InterfaceID, call Call, d Detour) (*Plan, error) {
	p, err := planned(cfg, from, call, d)
	if d.Dest.IsZero() {
		return p, err
	}
	usual, unusual := planned(cfg, from, call, Detour{})
	sw, _ := from.In(cfg)
	urgent := func(a Attempt) bool { return sw.IsEmergency(a.Call.CalledE164) }
	if unusual != nil || !sw.IsEmergency(call.CalledE164) && !slices.ContainsFunc(slices.Concat(p.Attempts, usual.Attempts), urgent) {
		return p, err
	}
	usual.Trace = slices.Concat(p.Trace, usual.Trace)
	if err == nil {
		usual.root = &node{hunt: new(config.HuntGroup), children: []*node{p.root, usual.root}}
		usual.flatten()
	}
	return usual, nil
}

// planned plans a call with the detour alone, or with the interface's `route call`.
func planned(cfg *config.Config, from config.InterfaceID, call Call, d Detour) (*Plan, error) {
	sw, in := from.In(cfg)
	w := newWalk(sw)
	if in == nil {
		return w.rejected(noRoute, "interface sip %q does not exist", from)
	}
	if !sw.Enabled {
		return w.rejected(outOfOrder, "context cs %s is shut down", sw.Name)
	}
	call.cutNames()
	if long := call.tooLong(); long != "" {
		return w.tooLong(long)
	}
	p := &party{Call: call}
	if !in.MappingIn.IsZero() {
		if err := w.function("interface "+in.Name, "use mapping-table in "+in.MappingIn.Name, in.MappingIn.Name, p); err != nil {
			return w.plan(nil, err)
		}
	}
	if !d.Dest.IsZero() {
		w.step(Step{Table: "survival " + d.Survival, Entry: "route from " + in.Name, Action: ActionGo, After: destName(d.Dest)})
		return w.plan(w.dest(d.Dest, p, "survival "+d.Survival))
	}
	if in.Route.IsZero() {
		return w.rejected(noRoute, "interface %s has no `route call`: nothing says where its calls go", in.Name)
	}
	w.step(Step{Table: "interface " + in.Name, Entry: "route call", Action: ActionGo, After: destName(in.Route)})
	return w.plan(w.dest(in.Route, p, "interface "+in.Name))
}

// DryRun plans a call that begins at a table, a service or an interface of sw (then: towards it), as `show call-router trace` does.
func DryRun(sw *config.Switch, start config.Dest, call Call) (*Plan, error) {
	w := newWalk(sw)
	if start.IsZero() {
		return w.rejected(noRoute, "no destination to begin with")
	}
	if sw == nil {
		return w.rejected(noRoute, "no such context cs")
	}
	if !sw.Enabled {
		return w.rejected(outOfOrder, "context cs %s is shut down", sw.Name)
	}
	call.cutNames()
	if long := call.tooLong(); long != "" {
		return w.tooLong(long)
	}
	return w.plan(w.dest(start, &party{Call: call}, "start"))
}

func (w *walk) tooLong(p config.Property) (*Plan, error) {
	return w.rejected(badNumber, "%s is longer than %d characters", p, p.MaxLength())
}

func (w *walk) rejected(cause int, format string, args ...any) (*Plan, error) {
	return w.plan(nil, &Error{Cause: cause, Text: fmt.Sprintf(format, args...)})
}

func destName(d config.Dest) string {
	switch {
	case !d.Table.IsZero():
		return "dest-table " + d.Table.Name
	case !d.Interface.IsZero():
		return "dest-interface " + d.Interface.Name
	case !d.Service.IsZero():
		return "dest-service " + d.Service.Name
	}
	return "no destination"
}
