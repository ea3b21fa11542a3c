package sipgw

import (
	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// fork is one of the early dialogs that our INVITE has made (12.1.2), once more is said in it than provisional responses: each counts
// CSeq and RSeq for itself.
type fork struct {
	sipdialog.Dialog
	rseq     uint32 // of its last reliable provisional response, 0: there was none
	answered bool   // one of these has answered our offer: another may follow (RFC 3311 5.1)
}

// fork is the early dialog with this tag of the peer; nil: a provisional response never named it.
func (l *Leg) fork(tag string) *fork {
	out := l.out
	if f := out.forks[tag]; f != nil {
		return f
	}
	if !l.outline.IsFork(tag) {
		return nil
	}
	f := &fork{Dialog: l.dialog}
	f.RemoteTag, f.Remote, f.LocalSeq = tag, l.dialog.Remote+";tag="+tag, out.seq
	if out.forks == nil {
		out.forks = map[string]*fork{}
	}
	out.forks[tag] = f
	return f
}

// confirmed takes the dialog from the 2xx, with what was said in it while it was an early one.
func (l *Leg) confirmed(out *outbound, res *sipmsg.Response) {
	l.dialog.Confirm(res)
	if f := out.forks[l.dialog.RemoteTag]; f != nil {
		l.dialog.LocalSeq, l.dialog.RemoteSeq = f.LocalSeq, f.RemoteSeq
	}
}

// endFork acknowledges and ends a second dialog that our INVITE made; d is the dialog before the 2xx.
func (l *Leg) endFork(out *outbound, res *sipmsg.Response, d sipdialog.Dialog) {
	d.Confirm(res)
	d.LocalSeq = out.seq
	if f := out.forks[d.RemoteTag]; f != nil {
		d.LocalSeq = f.LocalSeq
	}
	tag := d.RemoteTag
	out.acks[ackKey{d.Phone, tag}] = ack{}
	l.ackIn(&d, out, tag, nil, "")
	l.transact(&d, sip.BYE, "", nil, nil, func(*sipmsg.Response, error) {})
}

// settle lets go of an INVITE whose ACK has left: its transaction keeps that ACK alone for the half minute in which the 2xx may come
// again, and neither request nor leg. Where forks are known, the leg stays, because each counts CSeq for itself.
func (l *Leg) settle(out *outbound, tag string, a ack) {
	switch {
	case out.after != nil:
		l.g.transactions.SettleFork(out.after.of, tag, a.raw, a.where)
	case out.tx != nil && out.phones == nil && len(out.acks) == 1 && len(out.forks) == 0 && !l.outline.ForkedBeside(tag):
		x := afterwards{l.g, l.iface, l.account.auth}
		out.tx.Settle(tag, a.raw, a.where, x.forked)
	}
}

// afterwards is what is kept for the 2xx of a fork that comes when all is over.
type afterwards struct {
	g     *gateway
	iface *config.SIPInterface
	auth  *sipmsg.Authenticator
}

// aftermath is the end of such a fork.
type aftermath struct {
	of  *siptx.Settled
	ack *sipmsg.Request // the one to the first 2xx: its From, Call-ID and CSeq number are those of all forks
}

// forked acknowledges and ends a second dialog that our INVITE made (13.2.2.4). It runs in the read loop. The leg may be gone, so all is
// taken from the ACK to the first 2xx.
func (x afterwards) forked(of *siptx.Settled, res *sipmsg.Response) {
	first, err := sipmsg.ParseRequest(of.ACK())
	if err != nil {
		x.g.log.Error("fork not ended", "gw", x.g.name, "leg", res.CallID, "err", err)
		return
	}
	x.g.transactions.SettleFork(of, res.ToTag, nil, of.To()) // it comes again before its ACK has left
	l := &Leg{stack: x.g.stack, g: x.g, iface: x.iface, state: legOver, account: account{auth: x.auth.Again()}}
	l.ownership.Abandon()
	l.dialog = sipdialog.Dialog{CallID: first.CallID, LocalTag: first.FromTag, Local: first.FromText, LocalSeq: first.Seq, Transport: of.To().Transport}
	l.dialog.Confirm(res)
	l.post(func() {
		l.ackIn(&l.dialog, &outbound{seq: first.Seq, acks: map[ackKey]ack{}, after: &aftermath{of, first}}, l.dialog.RemoteTag, nil, "")
		l.transact(&l.dialog, sip.BYE, "", nil, nil, func(*sipmsg.Response, error) {})
	})
}

// ackKey is whose 2xx an ACK is for: the tag, and which of several phones, because the tags of two may be the same.
type ackKey struct {
	phone *siptransport.PhoneTarget
	tag   string
}

// ack is an ACK as it was sent.
type ack struct {
	where siptransport.Endpoint
	raw   []byte
}

// acknowledge sends the ACK of a 2xx, which is a request of its own in the dialog (13.2.2.4).
func (l *Leg) acknowledge(out *outbound, res *sipmsg.Response, body []byte, contentType string) {
	l.ackIn(&l.dialog, out, res.ToTag, body, contentType)
}

func (l *Leg) ackIn(d *sipdialog.Dialog, out *outbound, tag string, body []byte, contentType string) {
	out.answer = nil
	req, err := l.build(d, sip.ACK, out.seq, contentType, body, nil)
	if err != nil {
		l.stack.log.Error("ACK not sent", "gw", l.g.name, "leg", d.CallID, "err", err)
		return
	}
	for _, h := range out.credentials() {
		req.AppendHeader(sip.NewHeader(h.Name, h.Value))
	}
	l.reach(l.hopOf(d), func(where siptransport.Endpoint, err error) {
		if err != nil {
			l.stack.log.Warn("ACK not sent", "gw", l.g.name, "leg", d.CallID, "err", err)
			return
		}
		a := ack{where, sipmsg.Render(req, l.g.Conf().Towards(where.Transport, where.Addrs[0].Addr()).Via(where.Transport, sipmsg.NewBranch()))}
		out.acks[ackKey{d.Phone, tag}] = a
		l.sendRaw(a)
		l.settle(out, tag, a)
	})
}

// credentials are those of the INVITE, which its ACK repeats (22.1).
func (o *outbound) credentials() (list []sipmsg.Header) {
	values := func(string) []string { return nil }
	switch {
	case o.after != nil:
		values = o.after.ack.Headers
	case o.tx != nil:
		values = func(name string) []string { return sipmsg.Values(o.tx.Request.Headers(), name) }
	}
	for _, name := range []string{"Authorization", "Proxy-Authorization"} {
		for _, v := range values(name) {
			list = append(list, sipmsg.Header{Name: name, Value: v})
		}
	}
	return list
}

func (l *Leg) sendRaw(a ack) {
	if flow, err := l.g.Flow(a.where); err == nil {
		flow.Send(a.raw, nil, nil)
	}
}
