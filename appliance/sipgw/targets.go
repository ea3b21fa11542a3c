package sipgw

import (
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// phones are those that an INVITE of ours asks at the same time.
type phones struct {
	siptx.Branches
	list []*asked
}

// asked is one of them.
type asked struct {
	sipdialog.Dialog // before it is confirmed: Request-URI, Contact and way are the phone's
	tx               *siptx.Client
	req              *sip.Request
}

// health hears how the peer of the leg behaves. One phone says nothing about all others of its interface.
func (l *Leg) health() PeerHealth {
	if ofPhones(l.iface) {
		return unattended{}
	}
	return l.stack.health
}

// target0 makes the leg one with the phones of an Invite, and returns the first of them.
func (l *Leg) target0(r Invite) siptransport.Target {
	c := l.g.Conf()
	var origins []siptransport.Origin
	ask := &phones{}
	for _, t := range r.Targets[:min(len(r.Targets), siptx.MaxForks)] {
		side := c.At(t.Transport, t.Local.Addr())
		a := &asked{Dialog: l.dialog}
		a.Target, a.Transport, a.Contact, a.Phone = t.URI, t.Transport, "<"+side.Contact(r.ContactUser, t.Transport)+">", &t
		ask.list = append(ask.list, a)
		origins = append(origins, siptransport.Origin{Transport: t.Transport, Addr: t.Addr.Addr()})
	}
	l.out.phones = ask
	l.outline.Phones(origins...)
	l.become(&ask.list[0].Dialog)
	return r.Targets[0].Target()
}

// become takes what is a phone's own in a dialog.
func (l *Leg) become(d *sipdialog.Dialog) {
	l.dialog.Target, l.dialog.Transport, l.dialog.Contact, l.dialog.Phone = d.Target, d.Transport, d.Contact, d.Phone
	l.here = l.g.Conf().At(d.Transport, d.Phone.Local.Addr()).Listens(d.Transport)
}

// inviteAll sends the INVITE to all phones: one Call-ID, From tag and CSeq, a branch each (16.6).
func (l *Leg) inviteAll(out *outbound, h []sipmsg.Header) {
	if out.cancel != cancelUnwanted {
		l.inviteFailed(out, Failed{Code: 487, Reason: "Request Terminated", Local: true})
		return
	}
	ask := out.phones
	ask.Branches = siptx.Branches{}
	errs := make([]error, len(ask.list))
	for n, a := range ask.list {
		a.LocalSeq = out.seq
		a.req, errs[n] = l.build(&a.Dialog, sip.INVITE, out.seq, out.contentType, out.body, h)
		if errs[n] == nil {
			where, _ := l.g.ResolveNow(a.Phone.Target())
			a.tx, errs[n] = l.g.transactions.Begin(a.req, where, func(res *sipmsg.Response, err error) {
				l.post(func() { l.phoneResult(out, n, res, err) })
			})
		}
		ask.Add(a.tx)
	}
	for n, err := range errs {
		if err != nil {
			l.phoneResult(out, n, nil, err)
		}
	}
}

// phoneResult is a response of a phone to an INVITE of ours, or the end of waiting for one.
func (l *Leg) phoneResult(out *outbound, n int, res *sipmsg.Response, err error) {
	a := out.phones.list[n]
	switch v := out.phones.Take(n, res, err); v {
	case siptx.Provisional:
		if res.StatusCode > 100 || out.state == inviteSent {
			l.earlyDialog(out, a, res.ToTag)
			l.inviteProgress(out, res)
		}
	case siptx.Accepted:
		out.tx = a.tx
		l.become(&a.Dialog)
		l.info.Peer = named(a.Phone.Target()) // not that of the first phone any more
		l.outline.Phones(siptransport.Origin{Transport: a.Transport, Addr: a.Phone.Addr.Addr()})
		l.outline.AnsweredBy(a.Phone.Addr.Addr())
		l.inviteOK(out, res, &a.Dialog)
	case siptx.Unwanted:
		l.anotherOK(out, res, a)
	default:
		l.verdict(out, v)
	}
}

// anotherOK is a 2xx of a phone that has not the call, or one that comes again.
func (l *Leg) anotherOK(out *outbound, res *sipmsg.Response, a *asked) {
	if _, known := out.acks[ackKey{a.Phone, res.ToTag}]; known || out.state == inviteAnswered {
		l.inviteOK(out, res, &a.Dialog)
	} else if len(out.acks) <= siptx.MaxForks {
		l.endFork(out, res, a.Dialog) // it hung up before, and another may still answer
	}
}

// verdict ends the INVITE when all phones have refused, with the best refusal.
func (l *Leg) verdict(out *outbound, v siptx.Verdict) {
	if v != siptx.Refused {
		return
	}
	n, res, err := out.phones.Best()
	a := out.phones.list[n]
	switch {
	case res != nil:
		out.tx = a.tx
		l.inviteRefused(out, a.req, res)
	case err != nil:
		l.inviteFailed(out, l.unreached(err))
	default:
		l.inviteFailed(out, Failed{Code: 487, Reason: "hung up before the answer"})
	}
}

// earlyDialog makes an early dialog with a phone.
func (l *Leg) earlyDialog(out *outbound, a *asked, tag string) {
	l.outline.Forked(tag)
	if tag == "" || out.forks[tag] != nil || !l.outline.IsFork(tag) {
		return
	}
	f := &fork{Dialog: a.Dialog}
	f.RemoteTag, f.Remote = tag, a.Remote+";tag="+tag
	if out.forks == nil {
		out.forks = map[string]*fork{}
	}
	out.forks[tag] = f
}

// hungUpEarly is a BYE of a phone before its answer. It ends that phone's part alone.
func (l *Leg) hungUpEarly(out *outbound, tx *siptx.Server) {
	for n, a := range out.phones.list {
		if f := out.forks[tx.Req.FromTag]; f != nil && f.Phone == a.Phone && a.Phone.Addr.Addr() == tx.From.Source.Addr() {
			l.verdict(out, out.phones.HungUp(n))
		}
	}
}
