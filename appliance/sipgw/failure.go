package sipgw

import (
	"strings"

	"viaduct/appliance/printable"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
)

// unreached says how an INVITE failed that got no final response.
func (l *Leg) unreached(err error) Failed {
	if siptransport.IsUnreached(err) {
		return Failed{Code: 503, Reason: "Service Unavailable", Local: true, Err: err}
	}
	return Failed{Code: 408, Reason: "Request Timeout", Local: true, Err: err}
}

// maxContacts is how many Contact fields of a 3xx are read.
const maxContacts = 8

// rejection reads a 3xx to 6xx.
func rejection(res *sipmsg.Response) Failed {
	f := Failed{Code: res.StatusCode, Reason: printable.Text(res.Reason), RetryAfter: res.RetryAfter()}
	if res.StatusCode/100 == 3 {
		f.Contacts = res.Headers("Contact")
		f.Contacts = f.Contacts[:min(len(f.Contacts), maxContacts)]
	}
	var text []string
	for _, name := range []string{"Reason", "Warning"} {
		for _, v := range res.Headers(name) {
			text = append(text, v)
			if name == "Reason" && f.Cause == 0 {
				f.Cause = sipmsg.Q850(v)
			}
		}
	}
	f.Text = printable.Text(strings.Join(text, "; "))
	return f
}

// overloaded is a 503 to a call: that connection ends after its transactions, and for the time of Retry-After the peer gets no
// call (teams.md A.30).
func (l *Leg) overloaded(out *outbound, f Failed) {
	siptransport.Retire(out.tx.Flow())
	if f.RetryAfter > 0 {
		l.stack.log.Warn("peer wants no calls", "gw", l.g.name, "if", l.iface.ID(), "code", f.Code, "duration", f.RetryAfter)
	}
	l.health().Overloaded(l.iface.ID(), f.RetryAfter)
}
