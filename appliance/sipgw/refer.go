package sipgw

import (
	"strconv"
	"strings"

	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// Refer asks the peer to call another party (RFC 3515); to is the value of Refer-To. Notified events tell how it goes on.
func (l *Leg) Refer(to string, h ...sipmsg.Header) {
	if l.state != legConfirmed {
		l.emit(Notified{Code: 481, Final: true})
		return
	}
	l.transact(&l.dialog, sip.REFER, "", nil, append([]sipmsg.Header{{Name: "Refer-To", Value: to}}, h...), func(res *sipmsg.Response, err error) {
		switch {
		case err != nil:
			l.emit(Notified{Code: 408, Final: true})
		case res.StatusCode >= 300:
			l.emit(Notified{Code: res.StatusCode, Final: true})
		}
	})
}

// notified is a NOTIFY in the dialog. Of those only the ones of our REFER matter; its first may overtake the response to it.
func (l *Leg) notified(tx *siptx.Server, _ *sipdialog.Dialog, _ *fork) {
	l.respond(tx, 200, "", nil, "", nil)
	req := tx.Req
	event, _, _ := strings.Cut(req.Header("Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "refer") {
		return
	}
	n := Notified{Code: fragment(req.Body)}
	state, _, _ := strings.Cut(req.Header("Subscription-State"), ";")
	n.Final = n.Code >= 200 || strings.EqualFold(strings.TrimSpace(state), "terminated")
	l.emit(n)
}

// fragment is the status of a message/sipfrag body, 0 when it holds none.
func fragment(body []byte) int {
	rest, ok := strings.CutPrefix(strings.TrimLeft(string(body[:min(len(body), 64)]), "\r\n "), "SIP/2.0 ")
	if !ok || len(rest) < 3 {
		return 0
	}
	code, err := strconv.Atoi(rest[:3])
	if err != nil || code < 100 || code > 699 {
		return 0
	}
	return code
}
