package call

import (
	"slices"
	"time"

	"viaduct/appliance/disturb"
	"viaduct/appliance/party"
	"viaduct/appliance/refusal"
	"viaduct/appliance/sipgw"
)

// A phone on which somebody has set a forwarding answers with 302. With `call-reroute accept` on the interface of the phones, the call
// goes to the number that its Contact names, by the same tables as a call of that phone, and for the caller that it has. The host of that
// Contact means nothing. Calls that go round are stopped: no identity forwards a call twice, and what was forwarded outside the box says
// so in Diversion or History-Info, see origin.go.

// follow has s hunt for whom a phone has forwarded the call to: the zero failure, with which hunt begins. Otherwise it returns the failure f
// of the phone, or why its forwarding is not followed.
func (c *call) follow(s *hunting, by *side, e sipgw.Failed, f refusal.Failure) refusal.Failure {
	who := phone(c.cfg, by.Interface, s.phones.identity)
	if e.Code/100 != 3 || e.Local || !by.Interface.RerouteAccept || who == nil {
		return f
	}
	sw := switchOf(c.cfg, by.Interface)
	uri, number := party.Target(sw, e.Contacts)
	if number == "" {
		return f
	}
	c.log.Info("call forwarded", "if", by.Interface.ID(), "identity", who.Name, "to", number)
	diverted := c.origin.diverted.Forwarded(who, s.rang)
	if slices.Contains(s.forwards, who.Name) || diverted.Times > maxDiversions {
		c.log.Warn("call refused, it loops", "if", by.Interface.ID())
		return refusal.Failure{Code: 482, Cause: 25, Reason: "Loop Detected", Text: "the call loops: the phones forward it to each other"}
	}
	props := s.plan.Attempts[s.attempt].Call
	props.CalledURI, props.CalledE164, props.CalledName = uri, number, ""
	props.Time = time.Now().In(c.cfg.Clock.Location())
	plan, _, err := c.m.Route(c.cfg, by.Interface.ID(), props)
	c.showRoute(plan)
	if err != nil {
		return refusal.Unroutable(err)
	}
	n := hunting{plan: plan, urgent: s.urgent, forwards: append(s.forwards, who.Name), asked: disturb.Asked{From: by.Interface, Call: &props}}
	if !n.urgent {
		c.urgency(&n, by.Interface, number)
	}
	if err := c.channel(c.mayNeed(c.beyond(by), plan), n.urgent); err != nil {
		return refusal.Unlicensed(err)
	}
	c.origin.diverted = diverted
	*s = n
	c.startHunt(s)
	return refusal.Failure{Code: 480, Cause: refusal.Redirected, Reason: "Temporarily Unavailable", Text: "it was forwarded to nobody"}
}
