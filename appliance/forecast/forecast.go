// Package forecast says how a call would go if it were made now, without making it: which peers it would reach, as which caller, and whether
// something refuses it.
//
// It owns the words for that. It asks what calls ask (package call), and owns none of the answers. It has no goroutine and never waits.
package forecast

import (
	"cmp"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/disturb"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/party"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
)

// World is what calls ask, see call.Options.
type World struct {
	Unavailable func(iface config.InterfaceID) (why string)
	Spares      func(to config.InterfaceID) (why string)
	Free        func(sessions, channels int) error
	Guard       *disturb.Guard
	Resolved    func(host string) []netip.Addr
	// Phones are how many phones an attempt would ring at an interface of phones; 0: with which code it would fail, and why.
	Phones func(i *config.SIPInterface, a *route.Attempt) (n, code int, why string)
}

// Forecast says how a call would go if it were made.
type Forecast struct {
	Attempts []Foreseen
	Refused  string // why no destination would be called at all; "": the first whose Skipped is empty would be
	Code     int    // that the caller would get then
}

// Foreseen is one destination of a Forecast.
type Foreseen struct {
	Interface config.InterfaceID
	To, From  string // URIs of the INVITE
	Account   string // as which the peer sees the caller; "": none
	Phones    int    // so many phones have registered as whom it is for; 0: it is for none
	Skipped   string // why the destination would be passed over; "": it would be called
	code      int    // the caller would get, if it is the last one
	Unknown   string // the caller, when the peer knows callers by accounts and this one has none; else ""
}

// Of says how a call with this plan would go if it were made now, under a configuration: which peers it would reach, as which
// caller, and whether licenses are left. It was asked with c by an interface, which need not exist.
func (w World) Of(cfg *config.Config, from config.InterfaceID, c route.Call, plan *route.Plan) (f Forecast) {
	channels, urgent := 0, false
	for n := range plan.Attempts {
		a := &plan.Attempts[n]
		sw, i := a.Interface.In(cfg)
		if i == nil {
			f.Attempts = append(f.Attempts, Foreseen{Interface: a.Interface, Skipped: "it does not exist"})
			continue
		}
		if negotiation.OffersSRTP(sdp.ProfileOf(cfg, i)) {
			channels = 1
		}
		urgent = urgent || sw.IsEmergency(a.Call.CalledE164)
		f.Attempts = append(f.Attempts, w.attempt(cfg, i, a))
	}
	err := w.Free(1, channels)
	_, asks := from.In(cfg)
	switch {
	case urgent: // is refused for nothing that is ours to decide
	case w.unwanted(cfg, disturb.Asked{From: asks, Call: &c}, plan, &f):
	case err != nil:
		f.Refused, f.Code = err.Error(), 503
	case !slices.ContainsFunc(f.Attempts, func(x Foreseen) bool { return x.Skipped == "" }):
		f.Refused, f.Code = "no destination can be called now", 503
		if n := len(f.Attempts); n > 0 {
			f.Code = cmp.Or(f.Attempts[n-1].code, f.Code)
			f.Refused += ", " + f.Attempts[n-1].Interface.String() + " because " + f.Attempts[n-1].Skipped
		}
	}
	return f
}

// unwanted passes over the destinations whose Teams users do not want to be rung. True: the call ends with the first of them.
func (w World) unwanted(cfg *config.Config, asked disturb.Asked, plan *route.Plan, f *Forecast) bool {
	for n := range f.Attempts {
		code, why := w.Guard.Refuses(w.Guard.Whom(cfg, asked, &plan.Attempts[n]))
		if code == 0 {
			continue
		}
		f.Attempts[n].Skipped = why
		if _, on := plan.Next(n, route.CauseFromSIP(code)); !on && !slices.ContainsFunc(f.Attempts[:n], func(x Foreseen) bool { return x.Skipped == "" }) {
			f.Refused, f.Code = why, code
			return true
		}
	}
	return false
}

// Unusable says why a configuration lets no call out by an interface; "": it does.
func Unusable(cfg *config.Config, i *config.SIPInterface) string {
	switch gw := i.Gateway.In(cfg); {
	case gw == nil:
		return "it has no context sip-gateway"
	case !gw.Enabled:
		return "context sip-gateway " + gw.Name + " is shut down"
	case i.Remote.Host == "" && i.Phones.IsZero():
		return "it has no remote"
	}
	return ""
}

func (w World) attempt(cfg *config.Config, i *config.SIPInterface, a *route.Attempt) Foreseen {
	id := party.Identify(cfg, i, a, w.Resolved)
	f := Foreseen{Interface: i.ID(), To: id.RequestURI.String(), From: id.From.URI, Account: id.Account}
	why, spared := "", w.Spares(i.ID())
	if i.Phones.IsZero() {
		why = w.Unavailable(i.ID())
	} else {
		f.Phones, f.code, f.Skipped = w.Phones(i, a)
	}
	switch {
	case Unusable(cfg, i) != "":
		f.Skipped = Unusable(cfg, i)
	case !i.Phones.IsZero() && f.Skipped != "":
	case why != "":
		f.Skipped = "its peer " + why
	case spared != "":
		f.Skipped = spared
	case id.Account == "" && i.Phones.IsZero() && hasAccounts(cfg, i.Gateway.In(cfg)):
		f.Unknown = a.Call.Get(a.Calling())
		if f.Unknown == "" {
			f.Unknown = "a caller without a number"
		}
	}
	return f
}

// hasAccounts reports whether the peers of a gateway know callers by accounts.
func hasAccounts(cfg *config.Config, gw *config.SIPGateway) bool {
	return slices.ContainsFunc(gw.Location, func(r config.Ref[config.Config, config.LocationService]) bool {
		l := r.In(cfg)
		return l != nil && slices.ContainsFunc(l.Identities, func(i *config.Identity) bool {
			_, ok := l.Credential(cfg, i.Name)
			return ok
		})
	})
}
