package sipgw

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// Reliable provisional responses (RFC 3262): what a PBX requires of us we do, and what it asks of us in a response we answer with
// PRACK. Teams knows none of it (A.25).

// reliable are the provisional responses to an INVITE that requires 100rel.
type reliable struct {
	seq      uint32 // RSeq of the last
	unacked  []byte // waits for its PRACK; nil: none does
	answer   bool   // it carries a description: a 200 must not overtake it (5)
	answered bool   // one of them did
	offered  bool   // a PRACK has brought an offer, and the call has not answered it
	renewed  []byte // our answer to that: a 200 says it, too
	interval time.Duration
	queue    []func() // responses that wait for the PRACK
}

// extensions are those that we name in Supported towards the peer.
func (l *Leg) extensions() string {
	if l.iface.Teams() {
		return sipmsg.Extensions
	}
	return sipmsg.Extensions + ", 100rel"
}

// newReliable is not nil for an INVITE that requires reliable responses.
func newReliable(req *sipmsg.Request) *reliable {
	if !req.Requires("100rel") {
		return nil
	}
	return &reliable{seq: rand.Uint32N(1 << 30)}
}

// reliably sends a provisional response and repeats it until its PRACK comes (3). The next one waits for that.
func (l *Leg) reliably(in *inbound, code int, reason string, body []byte, h []sipmsg.Header) {
	rel := in.rel
	if rel.unacked != nil || rel.offered {
		rel.queue = append(rel.queue, func() { l.Provisional(code, reason, body, h...) })
		return
	}
	rel.seq++
	h = append(append(l.dialogHeaders(&l.dialog), sipmsg.Header{Name: "Require", Value: "100rel"}, sipmsg.Header{Name: "RSeq", Value: strconv.FormatUint(uint64(rel.seq), 10)}), h...)
	rel.unacked, rel.answer, rel.interval = l.respond(in.tx, code, reason, body, "", h), len(body) > 0, siptx.T1
	rel.answered = rel.answered || rel.answer
	in.stop()
	in.repeat = l.after(siptx.T1, func() { l.repeatReliable(in) })
	in.giveUp = l.after(siptx.Timeout, func() {
		if l.state == legRinging && rel.unacked != nil {
			l.Reject(504, "No PRACK")
			l.emit(Cancelled{Reason: "no PRACK"})
		}
	})
}

func (l *Leg) repeatReliable(in *inbound) {
	if rel := in.rel; l.state == legRinging && rel.unacked != nil {
		in.tx.Respond(183, rel.unacked)
		rel.interval *= 2
		in.repeat = l.after(rel.interval, func() { l.repeatReliable(in) })
	}
}

// waits reports whether a 200 has to wait for a PRACK, and keeps it.
func (rel *reliable) waits(answer func()) bool {
	if rel == nil || !rel.offered && (rel.unacked == nil || !rel.answer) {
		return false
	}
	rel.queue = append(rel.queue, answer)
	return true
}

// acknowledgedReliably is a PRACK. One with a new offer is the call's to answer (5).
func (l *Leg) acknowledgedReliably(tx *siptx.Server, _ *sipdialog.Dialog, _ *fork) {
	in := l.in
	want := ""
	if in != nil && in.rel != nil {
		want = fmt.Sprintf("%d %d INVITE", in.rel.seq, in.seq)
	}
	if got := strings.Join(strings.Fields(tx.Req.Header("RAck")), " "); want == "" || got != want || in.rel.unacked == nil {
		l.respond(tx, 481, "", nil, "", nil)
		return
	}
	rel := in.rel
	rel.unacked = nil
	if l.state == legRinging {
		in.stop()
	}
	if rel.offered = len(tx.Req.Body) > 0; rel.offered {
		l.ask(tx, Offered{ID: RequestID(tx.Key), Method: string(sip.PRACK), Body: tx.Req.Body, ContentType: tx.Req.ContentType})
	} else {
		l.respond(tx, 200, "", nil, "", nil)
		rel.goOn(nil)
	}
}

// goOn says what has waited for a PRACK, and for our answer to an offer in it: a 200 to the INVITE must not overtake that either.
func (rel *reliable) goOn(answer []byte) {
	if rel.offered = false; len(answer) > 0 {
		rel.renewed = answer
	}
	queue := rel.queue
	rel.queue = nil
	for _, f := range queue {
		f() // what has to wait again queues itself
	}
}

// prack acknowledges a reliable provisional response of the peer and reports whether it is one to look at: not repeated, not out of
// order (4).
func (l *Leg) prack(out *outbound, res *sipmsg.Response) bool {
	if !res.Requires("100rel") || l.iface.Teams() {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimSpace(res.Header("RSeq")), 10, 32)
	f := l.fork(res.ToTag)
	if f == nil || err != nil || n == 0 || f.rseq != 0 && uint32(n) != f.rseq+1 {
		return false
	}
	if f.rseq == 0 {
		f.Confirm(res)
	}
	f.rseq = uint32(n)
	f.answered = f.answered || len(res.Body) > 0
	l.transact(&f.Dialog, sip.PRACK, "", nil, []sipmsg.Header{{Name: "RAck", Value: fmt.Sprintf("%d %d INVITE", n, out.seq)}}, func(*sipmsg.Response, error) {})
	return true
}
