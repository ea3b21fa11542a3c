package sipgw

import "viaduct/appliance/sipmsg"

// Cancel gives up an INVITE of ours that has no final response yet. A 200 that crosses it is acknowledged and ended.
// Events still come: Failed with 487 as a rule; the owner need not wait for it.
func (l *Leg) Cancel(h ...sipmsg.Header) {
	if l.state == legInviting {
		l.cancel(l.out, h)
	}
}

func (l *Leg) cancel(out *outbound, h []sipmsg.Header) {
	if out.cancel != cancelUnwanted || out.state == inviteAnswered {
		return
	}
	if err := sipmsg.CheckHeaders(h); err != nil {
		l.stack.log.Error("header left out", "gw", l.g.name, "err", err)
		h = nil
	}
	out.cancel, out.cancelHeader = cancelWanted, h
	switch {
	case out.state == inviteProceeding:
		l.sendCancel(out)
	case out.tx == nil:
	case out.tx.withdraw(): // what was never sent needs no CANCEL
		l.inviteFailed(out, Failed{Code: 487, Reason: "Request Terminated", Local: true})
	default:
		l.stack.health.Suspect(l.iface.ID()) // given up on without any answer: is somebody there at all?
	}
}

// sendCancel sends the CANCEL; without a final response after 64*T1 the INVITE is given up (9.1).
func (l *Leg) sendCancel(out *outbound) {
	if out.cancel == cancelSent || out.tx == nil {
		return
	}
	out.cancel = cancelSent
	out.stop()
	out.tx.cancel(out.cancelHeader)
	out.guard = l.after(transactionTimeout, func() {
		out.tx.abort()
		l.inviteFailed(out, Failed{Code: 487, Reason: "Request Terminated", Local: true, Err: errTimeout})
	})
}
