package sipmsg

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Fault is why a request is refused before anything looks at it.
type Fault struct {
	Code    int
	Reason  string
	Headers []Header
}

// methods that are understood at all; what the peer is offered is allow's matter.
var methods = map[sip.RequestMethod]bool{
	sip.INVITE: true, sip.ACK: true, sip.CANCEL: true, sip.BYE: true, sip.OPTIONS: true, sip.UPDATE: true,
	sip.INFO: true, sip.NOTIFY: true, sip.REFER: true, sip.SUBSCRIBE: true, sip.MESSAGE: true, sip.REGISTER: true,
	sip.PRACK: true, sip.PUBLISH: true,
}

// single are header fields that must be there exactly once (RFC 3261 8.1.1, 8.2).
var single = []string{"From", "To", "Call-ID", "CSeq"}

// Check looks for what RFC 4475 calls invalid and a user agent must refuse (RFC 3261 8.2, 16.3); nil: the request is sound.
// An ACK is never answered, so its faults only mean that it is dropped.
func Check(req *sip.Request) *Fault {
	if !SpokenHere(req.SipVersion) {
		return &Fault{Code: 505}
	}
	for _, name := range single {
		switch v := Values(req, name); {
		case len(v) == 0 || v[0] == "":
			return &Fault{Code: 400, Reason: "Missing " + name}
		case len(v) > 1:
			return &Fault{Code: 400, Reason: "More than one " + name}
		}
	}
	switch c := req.CSeq(); {
	case c == nil:
		return &Fault{Code: 400, Reason: "Malformed CSeq"}
	case !methods[req.Method]: // whatever else is wrong with it (RFC 4475 3.1.2.18)
		return &Fault{Code: 501}
	case !strings.EqualFold(strings.TrimSpace(string(c.MethodName)), string(req.Method)): // sipgo gives the method in capitals
		return &Fault{Code: 400, Reason: "CSeq names another method"}
	}
	for _, name := range []string{"From", "To"} {
		if !soundAddress(First(req, name)) {
			return &Fault{Code: 400, Reason: "Malformed " + name}
		}
	}
	if Tag(First(req, "From")) == "" && HasCookie(req) {
		return &Fault{Code: 400, Reason: "From without tag"} // RFC 2543 peers have none, and no cookie either
	}
	if len(Values(req, "Content-Length")) > 1 {
		return &Fault{Code: 400, Reason: "More than one Content-Length"}
	}
	if v := Values(req, "Max-Forwards"); len(v) > 0 {
		switch n, err := strconv.ParseUint(strings.TrimSpace(v[0]), 10, 32); {
		case err != nil || n > 255 || len(v) > 1:
			return &Fault{Code: 400, Reason: "Malformed Max-Forwards"}
		case n == 0 && req.Method != sip.OPTIONS:
			return &Fault{Code: 483}
		}
	}
	switch req.Recipient.Scheme {
	case "sip", "sips", "tel":
	default:
		return &Fault{Code: 416}
	}
	if req.Recipient.Scheme != "tel" && req.Recipient.Host == "" {
		return &Fault{Code: 400, Reason: "Request-URI without host"}
	}
	if len(req.Recipient.Headers) > 0 {
		return &Fault{Code: 400, Reason: "Headers in the Request-URI"}
	}
	if req.Method == sip.ACK || req.Method == sip.CANCEL {
		return nil
	}
	return checkExtensions(req)
}

// SpokenHere reports whether a message is of our version of SIP. Capitals do not matter (RFC 3261 7.1).
func SpokenHere(version string) bool { return strings.EqualFold(version, "SIP/2.0") }

// Extensions are the extensions that we name in Supported.
const Extensions = "timer, replaces"

// checkExtensions refuses what the peer requires and we cannot do.
func checkExtensions(req *sip.Request) *Fault {
	var unknown []string
	for _, v := range Values(req, "Require") {
		for _, tag := range SplitList(v) {
			if !strings.EqualFold(tag, "timer") && !(strings.EqualFold(tag, "100rel") && req.Method == sip.INVITE) && !strings.EqualFold(tag, "replaces") {
				unknown = append(unknown, tag)
			}
		}
	}
	if len(unknown) > 0 {
		return &Fault{Code: 420, Headers: []Header{{"Unsupported", strings.Join(unknown, ", ")}}}
	}
	if req.Method == sip.INVITE && !acceptsSDP(Values(req, "Accept")) {
		return &Fault{Code: 406}
	}
	if len(req.Body()) == 0 {
		return nil
	}
	if e := First(req, "Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &Fault{Code: 415, Headers: []Header{{"Accept-Encoding", "identity"}}}
	}
	if req.Method == sip.INVITE || req.Method == sip.UPDATE {
		t, _, _ := strings.Cut(strings.ToLower(ContentType(req)), ";")
		switch t = strings.TrimSpace(t); {
		case t == "":
			return &Fault{Code: 400, Reason: "Body without Content-Type"}
		case t != "application/sdp" && !strings.HasPrefix(t, "multipart/"):
			return &Fault{Code: 415, Headers: []Header{{"Accept", "application/sdp, multipart/mixed"}}}
		}
	}
	return nil
}

// acceptsSDP reports whether an Accept header lets us answer with SDP; none at all does (RFC 3261 20.1).
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

// soundAddress reports whether a From or To value can be one: balanced quotes and brackets around a URI.
func soundAddress(v string) bool {
	quoted, escaped, open, closed := false, false, 0, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			open++
		case c == '>':
			closed++
		}
	}
	if quoted || open != closed || open > 1 {
		return false
	}
	uri := ParseNameAddr(v).URI
	if i := angle(v); i >= 0 && !strings.HasPrefix(v[i+1:], uri+">") {
		return false // blanks around the URI
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	return ok && scheme != "" && rest != "" && !strings.ContainsAny(uri, " \t<>")
}

func HasCookie(req *sip.Request) bool {
	v, _, _ := TopVia(req)
	return strings.HasPrefix(v.Branch, sip.RFC3261BranchMagicCookie)
}
