package sipevent

import (
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"

	"github.com/emiago/sipgo/sip"
)

// Phones of identities with `notify message-waiting` are told which messages wait at the PBX (RFC 3842). The PBX tells it in a subscription of ours, or
// by itself. Phones that have not subscribed are told by a NOTIFY that belongs to no dialog, as most of them expect it. What was told last holds while the PBX is gone: messages do not end with it.

// mailbox is what is known of one.
type mailbox struct {
	known   bool
	summary dialoginfo.Summary
}

// waiting notes which messages wait in a mailbox, by the name that the PBX has for it, and has its phones told. It reports whether anybody is told.
func (a *Agent) waiting(name string, s dialoginfo.Summary) bool {
	a.mu.Lock()
	phones := a.book.mailboxes[bare(name)]
	var changed []phone
	for _, p := range phones {
		if now := (mailbox{true, s}); a.mail[p] != now {
			a.mail[p] = now
			a.moved = append(a.moved, p.identity)
			changed = append(changed, p)
		}
	}
	a.release()
	for _, n := range a.notifiers.Workers() {
		for _, p := range changed {
			n.deliver(p)
		}
	}
	return len(phones) > 0
}

// unasked takes a NOTIFY of the PBX that no subscription asked for. Most send those about waiting messages to whoever is registered; the Request-URI is
// the contact of that registration. Only a peer that is no phone is believed.
func (a *Agent) unasked(r *sipgw.ServerRequest) {
	if r.Interface == nil || !r.Interface.Phones.IsZero() || r.Interface.Teams() || word(r.Header("Event")) != eventMessages || word(r.ContentType) != dialoginfo.TypeSummary {
		return
	}
	s, err := dialoginfo.ParseSummary(r.Body)
	if err != nil {
		return
	}
	for _, name := range []string{sipmsg.SplitURI(r.URI).User, r.To.User(), sipmsg.SplitURI(s.Account).User} {
		if name != "" && a.waiting(name, s) {
			return
		}
	}
}

// Registered has a phone that has just registered as an identity told which messages wait. It may be called from any goroutine, and never waits.
func (a *Agent) Registered(location, identity string) {
	p := phone{location, identity}
	a.mu.Lock()
	known := a.mail[p].known
	a.mu.Unlock()
	if !known {
		return
	}
	for _, n := range a.notifiers.Workers() {
		n.deliver(p)
	}
}

// delivery is how far the phones of an identity are that have not subscribed. They are told one thing at a time.
type delivery struct {
	under int  // way: so many NOTIFYs
	again bool // something has changed since, or nothing was told yet
}

// deliver has the phones of an identity told which messages wait.
func (n *notifier) deliver(p phone) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return
	}
	d := n.deliveries[p]
	if d == nil {
		d = &delivery{}
		n.deliveries[p] = d
	}
	d.again = true
	if d.under == 0 {
		n.wake()
	}
}

// post tells all phones whose time has come. It runs on the notifier's goroutine.
func (n *notifier) post() {
	for {
		p, subscribed, ok := n.nextDelivery()
		if !ok {
			return
		}
		box := n.agent.how(subject{location: p.location, identity: p.identity}, eventMessages).mailbox
		targets := n.agent.targets(n.spec.gateway, p)
		targets = slices.DeleteFunc(targets, func(t siptransport.PhoneTarget) bool {
			return slices.Contains(subscribed, t.Addr.Addr().Unmap().String())
		})
		n.sent(p, len(targets)) // before the first answer comes
		for _, t := range targets {
			from := n.agent.addressAt(n.spec.via, p, t)
			talk := n.spec.via.Event(t.URI, from, from, p.identity, t.Target())
			req, to, err := talk.Request(sip.NOTIFY, dialoginfo.TypeSummary, box.at(sipmsg.SplitURI(from).Host).Bytes(), sipmsg.Header{Name: "Event", Value: eventMessages}, unsolicited)
			if err != nil {
				n.delivered(p)
				continue
			}
			n.spec.via.Begin(req, to, func(*sipmsg.Response, error) { n.delivered(p) })
		}
	}
}

// unsolicited is what a NOTIFY says of a subscription that there is not.
var unsolicited = sipmsg.Header{Name: "Subscription-State", Value: "terminated"}

// nextDelivery is whose phones are to be told next, and the addresses of those who are told in a subscription.
func (n *notifier) nextDelivery() (p phone, subscribed []string, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p, d := range n.deliveries {
		if !d.again || d.under > 0 {
			continue
		}
		d.again, d.under = false, 1 // until it is known how many
		for w := range n.subjects[p.identity] {
			if w.event == eventMessages && w.subject.location == p.location && w.state == watcherActive {
				subscribed = append(subscribed, w.peer.Host)
			}
		}
		return p, subscribed, true
	}
	return phone{}, nil, false
}

// sent notes how many are being told.
func (n *notifier) sent(p phone, targets int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.deliveries[p]; d != nil {
		d.under = targets
		n.settle(p, d)
	}
}

// delivered notes that one of them has answered, or never will: he asks when he registers anew.
func (n *notifier) delivered(p phone) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.deliveries[p]; d != nil {
		d.under--
		n.settle(p, d)
	}
}

// settle goes on with a delivery of which nothing is under way. The lock is held.
func (n *notifier) settle(p phone, d *delivery) {
	switch {
	case d.under > 0:
	case d.again:
		n.wake()
	default:
		delete(n.deliveries, p)
	}
}

// at is the summary for a phone: its mailbox is called through the box.
func (m mailbox) at(host string) dialoginfo.Summary {
	s := m.summary
	if user := sipmsg.SplitURI(s.Account).User; user != "" {
		s.Account = "sip:" + user + "@" + siptransport.Target{Host: host}.String()
	} else {
		s.Account = ""
	}
	return s
}

// targets are the phones of an identity that are reached by a gateway.
func (a *Agent) targets(gateway string, p phone) (list []siptransport.PhoneTarget) {
	for _, id := range a.interfaces(gateway, p.location) {
		found, _, _ := a.o.Phones.Targets(id, p.identity)
		for _, t := range found {
			if !slices.ContainsFunc(list, func(x siptransport.PhoneTarget) bool { return x == t }) {
				list = append(list, t)
			}
		}
	}
	return list
}

// interfaces are those of a gateway ("": of all) whose peers are the phones of a location-service.
func (a *Agent) interfaces(gateway, location string) (list []config.InterfaceID) {
	a.mu.Lock()
	cfg := a.cfg
	a.mu.Unlock()
	for _, s := range cfg.CS {
		for _, i := range s.Interfaces {
			if (gateway == "" || i.Gateway.Name == gateway) && i.Phones.Name == location {
				list = append(list, i.ID())
			}
		}
	}
	return list
}

// addressAt is the address of an identity as a phone of it knows it: with the first domain of its location-service, else with our address.
func (a *Agent) addressAt(via sipdialog.Client, p phone, t siptransport.PhoneTarget) string {
	a.mu.Lock()
	cfg := a.cfg
	a.mu.Unlock()
	host := sipmsg.SplitURI(via.Contact("", t.Target())).Host
	if l := (config.Ref[config.Config, config.LocationService]{Name: p.location}).In(cfg); l != nil && len(l.Domains) > 0 {
		host = l.Domains[0].Host
	}
	return "sip:" + p.identity + "@" + siptransport.Target{Host: host}.String()
}
