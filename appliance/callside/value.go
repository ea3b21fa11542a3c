package callside

import (
	"viaduct/appliance/callkeep"
	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// Value is the side for another box.
func (s *Side) Value() callkeep.Side {
	v := callkeep.Side{
		Leg: LegState(s.Leg), Interface: callkeep.Interface(s.Interface.ID()), Negotiation: s.Snapshot(), Ports: s.Ports, Addr: s.Addr, Refers: s.Refers,
		Informs: s.Informs, Referrals: s.Referrals, Identity: s.Line.Identity, Began: s.Line.Began, Renegotiated: s.Renegotiated,
	}
	if v.Leg != nil && v.Leg.Said == string(s.Text()) {
		v.Leg.Said = "" // as mostly: see FromValue
	}
	if s.Hop != nil {
		v.Hop = &callkeep.Hop{Media: s.Hop.Session.State(), Inner: s.Hop.Inner, Outer: s.Hop.Outer}
	}
	return v
}

// LegState is a leg for another box; nil: there is none, or it is not established.
func LegState(l *sipgw.Leg) *sipgw.LegState {
	if l == nil {
		return nil
	}
	if s, ok := l.State(); ok {
		return &s
	}
	return nil
}

// FromValue is the side that a value was taken of, without its leg and its media. Its interface is nil when the configuration has it no more. It
// completes the value.
func FromValue(cfg *config.Config, which media.Side, v *callkeep.Side) Side {
	s := Side{
		Which: which, Negotiation: negotiation.Restore(v.Negotiation), Ports: v.Ports, Addr: v.Addr, Refers: v.Refers, Informs: v.Informs,
		Referrals: v.Referrals, Voice: true, Renegotiated: v.Renegotiated,
	}
	if v.Leg != nil && v.Leg.Said == "" {
		v.Leg.Said = string(s.Text())
	}
	if _, s.Interface = config.InterfaceID(v.Interface).In(cfg); s.Interface != nil {
		s.Profile, s.Line = sdp.ProfileOf(cfg, s.Interface), Line{v.Identity, v.Began}
	}
	return s
}
