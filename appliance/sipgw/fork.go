package sipgw

import (
	"viaduct/appliance/sipmsg"

	"github.com/emiago/sipgo/sip"
)

// fork is one of the early dialogs that our INVITE has made (12.1.2), once more is said in it than provisional responses: each counts
// CSeq and RSeq for itself.
type fork struct {
	dialog
	rseq     uint32 // of its last reliable provisional response, 0: there was none
	answered bool   // one of these has answered our offer: another may follow (RFC 3311 5.1)
}

// maxForks are the early dialogs that are kept of one INVITE.
const maxForks = 32

// fork is the early dialog with this tag of the peer; nil: a provisional response never named it.
func (l *Leg) fork(tag string) *fork {
	out := l.out
	if f := out.forks[tag]; f != nil {
		return f
	}
	if !l.outline.isFork(tag) {
		return nil
	}
	f := &fork{dialog: l.dialog}
	f.remoteTag, f.remote, f.localSeq = tag, l.remote+";tag="+tag, out.seq
	if out.forks == nil {
		out.forks = map[string]*fork{}
	}
	out.forks[tag] = f
	return f
}

// confirmed takes the dialog from the 2xx, with what was said in it while it was an early one.
func (l *Leg) confirmed(out *outbound, res *sipmsg.Response) {
	l.confirm(res)
	if f := out.forks[l.remoteTag]; f != nil {
		l.localSeq, l.remoteSeq = f.localSeq, f.remoteSeq
	}
}

// endFork acknowledges and ends a second dialog that our INVITE made.
func (l *Leg) endFork(out *outbound, res *sipmsg.Response) {
	d := l.dialog
	d.confirm(res)
	d.localSeq = out.seq
	if f := out.forks[d.remoteTag]; f != nil {
		d.localSeq = f.localSeq
	}
	tag := d.remoteTag
	out.acks[tag] = ack{}
	l.ackIn(&d, out, tag, nil, "")
	l.transact(&d, sip.BYE, "", nil, nil, func(*sipmsg.Response, error) {})
}
