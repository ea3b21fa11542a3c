package sipdialog

import (
	"slices"
	"strconv"

	"viaduct/appliance/sipmsg"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/siptx"

	"github.com/emiago/sipgo/sip"
)

// Dialog is the state of RFC 3261 12. Everything that the peer gave us is kept as text: Teams' Contact and Record-Route carry
// parameters that must come back byte for byte (A.32).
type Dialog struct {
	CallID    string                 `json:"id"`
	LocalTag  string                 `json:"localTag"`
	RemoteTag string                 `json:"remoteTag"`
	Local     string                 `json:"local"`  // From of requests of ours
	Remote    string                 `json:"remote"` // To of requests of ours, without the remote tag as long as there is none
	LocalSeq  uint32                 `json:"localSeq"`
	RemoteSeq uint32                 `json:"remoteSeq"`
	Target    string                 `json:"target"`           // remote target: the Request-URI of requests of ours
	Routes    []string               `json:"routes,omitempty"` // route set, as Route values
	Transport siptransport.Transport `json:"transport"`        // of the request that began it
	Contact   string                 `json:"contact"`          // value of our Contact header

	Phone *siptransport.PhoneTarget `json:"phone,omitempty"` // of the phone that it is with, as it came last; nil: it is with no phone
}

// Began takes the dialog state from a request that begins it (12.1.1), but for its target.
func (d *Dialog) Began(tx *siptx.Server) {
	req := tx.Req
	*d = Dialog{CallID: req.CallID, LocalTag: tx.ToTag, RemoteTag: req.FromTag, Local: req.ToText + ";tag=" + tx.ToTag, Remote: req.FromText,
		RemoteSeq: req.Seq, Routes: req.RecordRoute(), Transport: tx.From.Flow.Transport()}
	if !sipmsg.Bracketed(req.ToText) {
		d.Local = "<" + req.To.URI + ">;tag=" + tx.ToTag
	}
}

// Confirm takes the dialog state from a response to our INVITE (12.1.2).
func (d *Dialog) Confirm(res *sipmsg.Response) {
	d.RemoteTag = res.ToTag
	d.Remote = res.ToText
	d.Routes = res.RecordRoute()
	slices.Reverse(d.Routes)
	d.Refresh(&res.Message)
}

// Refresh takes the remote target from the Contact of a request or response (12.2).
func (d *Dialog) Refresh(m *sipmsg.Message) {
	if c := m.Target(); c != "" {
		d.Target = c
	}
}

// uriAndRoutes are the Request-URI and Route values of a request in the dialog (12.2.1.1). A first route without lr is a strict
// router of RFC 2543: it wants itself in the Request-URI and the target at the end of the route.
func (d *Dialog) uriAndRoutes() (string, []string) {
	if len(d.Routes) == 0 {
		return d.Target, nil
	}
	first := sipmsg.ParseNameAddr(d.Routes[0]).URI
	if _, lr := sipmsg.SplitURI(first).Param("lr"); lr {
		return d.Target, d.Routes
	}
	return first, append(slices.Clone(d.Routes[1:]), "<"+d.Target+">")
}

// Write makes a request: own are the headers in which we say who we are.
func (d *Dialog) Write(userAgent string, method sip.RequestMethod, seq uint32, own []sipmsg.Header, contentType string, body []byte, h []sipmsg.Header) (*sip.Request, error) {
	uri, routes := d.uriAndRoutes()
	list := make([]sipmsg.Header, 0, 8+len(routes)+len(own)+len(h))
	if !slices.ContainsFunc(h, func(x sipmsg.Header) bool { return x.Name == "Max-Forwards" }) {
		list = append(list, sipmsg.Header{Name: "Max-Forwards", Value: "70"}) // a call that passes through us brings its own, one lower
	}
	for _, r := range routes {
		list = append(list, sipmsg.Header{Name: "Route", Value: r})
	}
	list = append(list,
		sipmsg.Header{Name: "From", Value: d.Local},
		sipmsg.Header{Name: "To", Value: d.Remote},
		sipmsg.Header{Name: "Call-ID", Value: d.CallID},
		sipmsg.Header{Name: "CSeq", Value: strconv.FormatUint(uint64(seq), 10) + " " + string(method)},
	)
	list = append(list, own...)
	if userAgent != "" {
		list = append(list, sipmsg.Header{Name: "User-Agent", Value: userAgent})
	}
	return sipmsg.NewRequest(string(method), uri, append(list, h...), body, contentType)
}
