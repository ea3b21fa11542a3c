package sipmsg

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Fault is the reason to refuse a request before anything acts on it.
type Fault struct {
	Code    int
	Reason  string
	Headers []Header
}

// once are the header fields that must be there exactly once (RFC 3261 8.1.1, 8.2).
var once = []struct {
	name  string
	field field
}{{"From", fieldFrom}, {"To", fieldTo}, {"Call-ID", fieldCallID}, {"CSeq", fieldCSeq}}

// Check looks for faults that RFC 4475 calls invalid and that a user agent must refuse (RFC 3261 8.2, 16.3). nil means that the request is
// sound. A faulty ACK is dropped, because an ACK has no response. understood reports whether a method exists.
func (r *Request) Check(understood func(sip.RequestMethod) bool) *Fault {
	if !r.ours {
		return &Fault{Code: 505}
	}
	for _, s := range once {
		switch n := r.count[s.field]; {
		case n == 0 || r.empty(s.field):
			return &Fault{Code: 400, Reason: "Missing " + s.name}
		case n > 1:
			return &Fault{Code: 400, Reason: "More than one " + s.name}
		}
	}
	switch {
	case !r.seqOK:
		return &Fault{Code: 400, Reason: "Malformed CSeq"}
	case !understood(r.Method): // whatever else is wrong with it (RFC 4475 3.1.2.18)
		return &Fault{Code: 501}
	case !strings.EqualFold(string(r.SeqMethod), string(r.Method)): // sipgo gives the method in capitals
		return &Fault{Code: 400, Reason: "CSeq names another method"}
	case !SoundAddress(r.FromText):
		return &Fault{Code: 400, Reason: "Malformed From"}
	case !SoundAddress(r.ToText):
		return &Fault{Code: 400, Reason: "Malformed To"}
	case r.FromTag == "" && r.Via.Cookie():
		return &Fault{Code: 400, Reason: "From without tag"} // RFC 2543 peers have none, and no cookie either
	case r.count[fieldContentLength] > 1:
		return &Fault{Code: 400, Reason: "More than one Content-Length"}
	}
	if hops := r.count[fieldMaxForwards]; hops > 0 {
		switch n, err := strconv.ParseUint(strings.TrimSpace(r.maxForwards), 10, 32); {
		case err != nil || n > 255 || hops > 1:
			return &Fault{Code: 400, Reason: "Malformed Max-Forwards"}
		case n == 0 && r.Method != sip.OPTIONS:
			return &Fault{Code: 483}
		}
	}
	if r.uriFault != nil || r.Method == sip.ACK || r.Method == sip.CANCEL {
		return r.uriFault
	}
	return r.checkExtensions()
}

// empty reports whether a single field has no value.
func (m *Message) empty(f field) bool {
	s := m.single(f)
	return s != nil && *s == ""
}

// checkURI looks at the Request-URI.
func checkURI(u *sip.Uri) *Fault {
	switch {
	case u.Scheme != "sip" && u.Scheme != "sips" && u.Scheme != "tel":
		return &Fault{Code: 416}
	case u.Scheme != "tel" && u.Host == "":
		return &Fault{Code: 400, Reason: "Request-URI without host"}
	case len(u.Headers) > 0:
		return &Fault{Code: 400, Reason: "Headers in the Request-URI"}
	}
	return nil
}

// Check reports whether a response is sound.
func (r *Response) Check() bool {
	return r.ViaOK && r.seqOK && r.StatusCode >= 100 && r.StatusCode <= 699 && r.ours
}

// spokenHere reports whether a message is of our version of SIP. Capitals do not matter (RFC 3261 7.1).
func spokenHere(version string) bool { return strings.EqualFold(version, "SIP/2.0") }

// Extensions are the extensions that we name in Supported.
const Extensions = "timer, replaces"

// checkExtensions refuses extensions that the peer requires and we do not have.
func (r *Request) checkExtensions() *Fault {
	var unknown []string
	for _, tag := range r.require {
		if !strings.EqualFold(tag, "timer") && !(strings.EqualFold(tag, "100rel") && r.Method == sip.INVITE) && !strings.EqualFold(tag, "replaces") {
			unknown = append(unknown, tag)
		}
	}
	if len(unknown) > 0 {
		return &Fault{Code: 420, Headers: []Header{{"Unsupported", strings.Join(unknown, ", ")}}}
	}
	if r.Method == sip.INVITE && !acceptsSDP(r.Headers("Accept")) {
		return &Fault{Code: 406}
	}
	if len(r.Body) == 0 {
		return nil
	}
	if e := r.Header("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &Fault{Code: 415, Headers: []Header{{"Accept-Encoding", "identity"}}}
	}
	if r.Method == sip.INVITE || r.Method == sip.UPDATE {
		t, _, _ := strings.Cut(strings.ToLower(r.ContentType), ";")
		switch t = strings.TrimSpace(t); {
		case t == "":
			return &Fault{Code: 400, Reason: "Body without Content-Type"}
		case t != "application/sdp" && !strings.HasPrefix(t, "multipart/"):
			return &Fault{Code: 415, Headers: []Header{{"Accept", "application/sdp, multipart/mixed"}}}
		}
	}
	return nil
}

// acceptsSDP reports whether an Accept header allows SDP. Without the header, SDP is allowed (RFC 3261 20.1).
func acceptsSDP(accept []string) bool {
	for _, v := range accept {
		for _, t := range SplitList(v) {
			t, _, _ = strings.Cut(t, ";")
			switch strings.ToLower(strings.TrimSpace(mediaType(t))) {
			case "application/sdp", "application/*", "*/*":
				return true
			}
		}
	}
	return len(accept) == 0
}

// SoundAddress reports whether a From or To value has balanced quotes and brackets, and a URI.
func SoundAddress(v string) bool {
	open, closed := 0, 0
	for _, c := range separators(v, `<>"`) {
		switch c {
		case '<':
			open++
		case '>':
			closed++
		case '"':
			return false
		}
	}
	if open != closed || open > 1 {
		return false
	}
	uri := ParseNameAddr(v).URI
	if i := angle(v); i >= 0 && !strings.HasPrefix(v[i+1:], uri+">") {
		return false // blanks around the URI
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	return ok && scheme != "" && rest != "" && !strings.ContainsAny(uri, " \t<>")
}
