package sipgw

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// fault is why a request is refused before anything looks at it.
type fault struct {
	code   int
	reason string
	h      []Header
}

// methods that are understood at all; what the peer is offered is allow's matter.
var methods = map[sip.RequestMethod]bool{
	sip.INVITE: true, sip.ACK: true, sip.CANCEL: true, sip.BYE: true, sip.OPTIONS: true, sip.UPDATE: true,
	sip.INFO: true, sip.NOTIFY: true, sip.REFER: true, sip.SUBSCRIBE: true, sip.MESSAGE: true, sip.REGISTER: true,
	sip.PRACK: true, sip.PUBLISH: true,
}

// single are header fields that must be there exactly once (RFC 3261 8.1.1, 8.2).
var single = []string{"From", "To", "Call-ID", "CSeq"}

// check looks for what RFC 4475 calls invalid and a user agent must refuse (RFC 3261 8.2, 16.3); nil: the request is sound.
// An ACK is never answered, so its faults only mean that it is dropped.
func check(req *sip.Request) *fault {
	if !spokenHere(req.SipVersion) {
		return &fault{code: 505}
	}
	for _, name := range single {
		switch v := headerValues(req, name); {
		case len(v) == 0 || v[0] == "":
			return &fault{code: 400, reason: "Missing " + name}
		case len(v) > 1:
			return &fault{code: 400, reason: "More than one " + name}
		}
	}
	switch c := req.CSeq(); {
	case c == nil:
		return &fault{code: 400, reason: "Malformed CSeq"}
	case !methods[req.Method]: // whatever else is wrong with it (RFC 4475 3.1.2.18)
		return &fault{code: 501}
	case !strings.EqualFold(strings.TrimSpace(string(c.MethodName)), string(req.Method)): // sipgo gives the method in capitals
		return &fault{code: 400, reason: "CSeq names another method"}
	}
	for _, name := range []string{"From", "To"} {
		if !soundAddress(firstValue(req, name)) {
			return &fault{code: 400, reason: "Malformed " + name}
		}
	}
	if tagOf(firstValue(req, "From")) == "" && isCookie(req) {
		return &fault{code: 400, reason: "From without tag"} // RFC 2543 peers have none, and no cookie either
	}
	if len(headerValues(req, "Content-Length")) > 1 {
		return &fault{code: 400, reason: "More than one Content-Length"}
	}
	if v := headerValues(req, "Max-Forwards"); len(v) > 0 {
		switch n, err := strconv.ParseUint(strings.TrimSpace(v[0]), 10, 32); {
		case err != nil || n > 255 || len(v) > 1:
			return &fault{code: 400, reason: "Malformed Max-Forwards"}
		case n == 0 && req.Method != sip.OPTIONS:
			return &fault{code: 483}
		}
	}
	switch req.Recipient.Scheme {
	case "sip", "sips", "tel":
	default:
		return &fault{code: 416}
	}
	if req.Recipient.Scheme != "tel" && req.Recipient.Host == "" {
		return &fault{code: 400, reason: "Request-URI without host"}
	}
	if len(req.Recipient.Headers) > 0 {
		return &fault{code: 400, reason: "Headers in the Request-URI"}
	}
	if req.Method == sip.ACK || req.Method == sip.CANCEL {
		return nil
	}
	return checkExtensions(req)
}

// spokenHere reports whether a message is of our version of SIP. Capitals do not matter (RFC 3261 7.1).
func spokenHere(version string) bool { return strings.EqualFold(version, "SIP/2.0") }

// extensions are the extensions that we name in Supported.
const extensions = "timer, replaces"

// checkExtensions refuses what the peer requires and we cannot do.
func checkExtensions(req *sip.Request) *fault {
	var unknown []string
	for _, v := range headerValues(req, "Require") {
		for _, tag := range splitList(v) {
			if !strings.EqualFold(tag, "timer") && !(strings.EqualFold(tag, "100rel") && req.Method == sip.INVITE) && !strings.EqualFold(tag, "replaces") {
				unknown = append(unknown, tag)
			}
		}
	}
	if len(unknown) > 0 {
		return &fault{code: 420, h: []Header{{"Unsupported", strings.Join(unknown, ", ")}}}
	}
	if req.Method == sip.INVITE && !acceptsSDP(headerValues(req, "Accept")) {
		return &fault{code: 406}
	}
	if len(req.Body()) == 0 {
		return nil
	}
	if e := firstValue(req, "Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return &fault{code: 415, h: []Header{{"Accept-Encoding", "identity"}}}
	}
	if req.Method == sip.INVITE || req.Method == sip.UPDATE {
		t, _, _ := strings.Cut(strings.ToLower(contentType(req)), ";")
		switch t = strings.TrimSpace(t); {
		case t == "":
			return &fault{code: 400, reason: "Body without Content-Type"}
		case t != "application/sdp" && !strings.HasPrefix(t, "multipart/"):
			return &fault{code: 415, h: []Header{{"Accept", "application/sdp, multipart/mixed"}}}
		}
	}
	return nil
}

// acceptsSDP reports whether an Accept header lets us answer with SDP; none at all does (RFC 3261 20.1).
func acceptsSDP(accept []string) bool {
	for _, v := range accept {
		for _, t := range splitList(v) {
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
	uri := parseNameAddr(v).URI
	if i := angle(v); i >= 0 && !strings.HasPrefix(v[i+1:], uri+">") {
		return false // blanks around the URI
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	return ok && scheme != "" && rest != "" && !strings.ContainsAny(uri, " \t<>")
}

func isCookie(req *sip.Request) bool {
	v, _, _ := topVia(req)
	return strings.HasPrefix(v.branch, sip.RFC3261BranchMagicCookie)
}
