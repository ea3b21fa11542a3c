package call

import (
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/party"
	"viaduct/appliance/route"
)

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
	Skipped   string // why the destination would be passed over; "": it would be called
	Unknown   string // the caller, when the peer knows callers by accounts and this one has none; else ""
}

// Foresee says how a call with this plan would go if it were made now, under a configuration: which peers it would reach, as which
// caller, and whether licenses are left.
func (m *Manager) Foresee(cfg *config.Config, plan *route.Plan) (f Forecast) {
	channels, urgent := 0, false
	for n := range plan.Attempts {
		a := &plan.Attempts[n]
		sw, i := a.Interface.In(cfg)
		if i == nil {
			f.Attempts = append(f.Attempts, Foreseen{Interface: a.Interface, Skipped: "it does not exist"})
			continue
		}
		if negotiation.OffersSRTP(profileOf(cfg, i)) {
			channels = 1
		}
		urgent = urgent || sw.IsEmergency(a.Call.CalledE164)
		f.Attempts = append(f.Attempts, m.foresee(cfg, i, a))
	}
	err := m.Licenses.Free(1, channels)
	switch {
	case urgent: // is refused for nothing that is ours to decide
	case err != nil:
		f.Refused, f.Code = err.Error(), unlicensed(err).code
	case !slices.ContainsFunc(f.Attempts, func(x Foreseen) bool { return x.Skipped == "" }):
		f.Refused, f.Code = "no destination can be called now", 503
		if n := len(f.Attempts); n > 0 {
			f.Refused += ", " + f.Attempts[n-1].Interface.String() + " because " + f.Attempts[n-1].Skipped
		}
	}
	return f
}

// Unusable says why a configuration lets no call out by an interface; "": it does.
func Unusable(cfg *config.Config, i *config.SIPInterface) string {
	switch gw := i.Gateway.In(cfg); {
	case gw == nil:
		return "it has no context sip-gateway"
	case !gw.Enabled:
		return "context sip-gateway " + gw.Name + " is shut down"
	case i.Remote.Host == "":
		return "it has no remote"
	}
	return ""
}

func (m *Manager) foresee(cfg *config.Config, i *config.SIPInterface, a *route.Attempt) Foreseen {
	id := party.Identify(cfg, i, a, m.Resolved)
	f := Foreseen{Interface: i.ID(), To: id.RequestURI.String(), From: id.From.URI, Account: id.Account}
	switch why, spared := m.Peers.Unavailable(i.ID()), m.Service.Spares(i.ID()); {
	case Unusable(cfg, i) != "":
		f.Skipped = Unusable(cfg, i)
	case why != "":
		f.Skipped = "its peer " + why
	case spared != "":
		f.Skipped = spared
	case id.Account == "" && hasAccounts(cfg, i.Gateway.In(cfg)):
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
