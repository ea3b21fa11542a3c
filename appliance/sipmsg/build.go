package sipmsg

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// rawURI makes a URI that is sent byte for byte. sipgo's own rendering merges parameters that come twice and drops empty ones, but it keeps
// the text of schemes that it does not know. So the text is parsed as such a scheme.
func rawURI(s string) (u sip.Uri, err error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || scheme == "" || rest == "" || unclean(s) || strings.ContainsAny(s, " <>\"") {
		return u, fmt.Errorf("URI %q is not valid", s)
	}
	if err := sip.ParseUri("x:"+rest, &u); err != nil {
		return u, fmt.Errorf("URI %q: %w", s, err)
	}
	u.Scheme = scheme
	return u, nil
}

// unclean reports text that must never reach a header. With CR or LF, a number from a table could end the header and begin another header or
// a whole message (sipgo writes everything as it is, GHSA-chcx-pf5f-wxc7). Every header is asked, and three looks for an octet are a fifth of
// one for any of three.
func unclean(s string) bool {
	return strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, 0) >= 0
}

// lineBreaks removes line ends. A NUL is text behind a backslash in quotes (RFC 3261 25.1, quoted-pair).
var lineBreaks = strings.NewReplacer("\\\x00", "\\\x00", "\r", " ", "\n", " ", "\x00", " ")

// CheckHeaders refuses headers that would break a message.
func CheckHeaders(list []Header) error {
	for _, h := range list {
		if h.Name == "" || unclean(h.Name) || strings.ContainsAny(h.Name, " :\t") || unclean(h.Value) {
			return fmt.Errorf("header %q holds a line break or no name", h.Name)
		}
	}
	return nil
}

// String renders a name-addr, with a quoted display name and the URI in brackets.
func (n NameAddr) String() string {
	s := "<" + n.URI + ">"
	if n.Name != "" {
		s = Quote(n.Name) + " " + s
	}
	if n.Params != "" {
		s += ";" + n.Params
	}
	return s
}

const tagLetters = "0123456789abcdefghijklmnopqrstuvwxyz"

// Token returns n random characters for tags, branches and Call-IDs. They protect nothing, but rand/v2 is seeded by the system, so an
// outsider cannot guess them.
func Token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = tagLetters[rand.IntN(len(tagLetters))]
	}
	return string(b)
}

func NewBranch() string { return sip.RFC3261BranchMagicCookie + Token(20) }

// text is a message that is being written.
type text struct{ bytes.Buffer }

// texts are those that nobody writes at present: most messages have the size of the last one.
var texts = sync.Pool{New: func() any { return new(text) }}

func newText() *text { return texts.Get().(*text) }

// message returns what was written, in memory of its own size, and gives the text back.
func (t *text) message() []byte {
	m := bytes.Clone(t.Bytes())
	if t.Reset(); t.Cap() <= maxHead {
		texts.Put(t)
	}
	return m
}

// RenderResponse builds a response: the headers that RFC 3261 8.2.6 and 12.1.1 copy, the name of the server (if any), then h, then the body.
func RenderResponse(req *Request, code int, reason, toTag, server string, body []byte, contentType string, h []Header) []byte {
	if reason == "" || unclean(reason) {
		reason = Phrase(code)
	}
	b := newText()
	b.WriteString("SIP/2.0 ")
	b.WriteString(strconv.Itoa(code))
	b.WriteByte(' ')
	b.WriteString(reason)
	b.WriteString("\r\n")
	for _, v := range req.vias {
		writeHeader(b, "Via", v)
	}
	if code > 100 && code < 300 && (req.Method == sip.INVITE || code >= 200) {
		for _, v := range req.recordRoutes {
			writeHeader(b, "Record-Route", v)
		}
	}
	if code == 100 {
		for _, v := range req.Headers("Timestamp") {
			writeHeader(b, "Timestamp", v)
		}
	}
	writePresent(b, "From", req.FromText)
	if to := req.ToText; to != "" {
		if code > 100 && toTag != "" && req.ToTag == "" {
			to += ";tag=" + toTag
		}
		writeHeader(b, "To", to)
	}
	writePresent(b, "Call-ID", req.CallID)
	writePresent(b, "CSeq", req.cseq)
	if server != "" {
		writeHeader(b, "Server", server)
	}
	finish(b, body, contentType, h)
	return b.message()
}

// Text is the request as it came, so that another box can read it.
func (r *Request) Text() []byte {
	b := newText()
	b.WriteString(string(r.Method) + " " + r.URI + " SIP/2.0\r\n")
	for _, h := range r.headers {
		if fieldNamed(h.Name()) != fieldContentLength {
			writeHeader(b, h.Name(), h.Value())
		}
	}
	writeHeader(b, "Content-Length", strconv.Itoa(len(r.Body)))
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.message()
}

// finish writes further headers, the empty line and the body.
func finish(b *text, body []byte, contentType string, h []Header) {
	for _, x := range h {
		if CheckHeaders([]Header{x}) == nil {
			writeHeader(b, x.Name, x.Value)
		}
	}
	if len(body) > 0 {
		if contentType == "" {
			contentType = "application/sdp"
		}
		writeHeader(b, "Content-Type", contentType)
	}
	writeHeader(b, "Content-Length", strconv.Itoa(len(body)))
	b.WriteString("\r\n")
	b.Write(body)
}

// writeHeader writes a field. It removes line breaks, because a line break in a peer's value would begin another field.
func writeHeader(b *text, name, value string) {
	if unclean(value) {
		value = lineBreaks.Replace(value)
	}
	b.WriteString(name)
	b.WriteString(": ")
	b.WriteString(value)
	b.WriteString("\r\n")
}

// writePresent writes a field that the peer has sent.
func writePresent(b *text, name, value string) {
	if value != "" {
		writeHeader(b, name, value)
	}
}

// NewRequest builds a request without its Via: start line and headers in the order given.
func NewRequest(method, uri string, headers []Header, body []byte, contentType string) (*sip.Request, error) {
	u, err := rawURI(uri)
	if err != nil {
		return nil, err
	}
	if err := CheckHeaders(headers); err != nil {
		return nil, err
	}
	req := sip.NewRequest(sip.RequestMethod(method), u)
	for _, h := range headers {
		req.AppendHeader(header(h))
	}
	if len(body) > 0 {
		if contentType == "" {
			contentType = "application/sdp"
		}
		if unclean(contentType) {
			return nil, fmt.Errorf("content type %q is not valid", contentType)
		}
		req.AppendHeader(sip.NewHeader("Content-Type", contentType))
	}
	req.SetBody(body)
	return req, nil
}

// header makes a field for sipgo. CSeq and Call-ID need their types for sipgo's accessors; all other fields stay text, byte for byte.
func header(h Header) sip.Header {
	switch h.Name {
	case "CSeq":
		n, method, _ := strings.Cut(h.Value, " ")
		seq, _ := strconv.ParseUint(n, 10, 32)
		return &sip.CSeqHeader{SeqNo: uint32(seq), MethodName: sip.RequestMethod(method)}
	case "Call-ID":
		id := sip.CallIDHeader(h.Value)
		return &id
	}
	return sip.NewHeader(h.Name, h.Value)
}

// Render writes a request with our Via on top. It does not change the request.
func Render(req *sip.Request, via string) []byte {
	b := newText()
	b.WriteString(string(req.Method))
	b.WriteByte(' ')
	b.WriteString(req.Recipient.String())
	b.WriteString(" SIP/2.0\r\n")
	writeHeader(b, "Via", via)
	for _, h := range req.Headers() {
		if !strings.EqualFold(h.Name(), "Via") {
			writeHeader(b, h.Name(), h.Value())
		}
	}
	b.WriteString("\r\n")
	b.Write(req.Body())
	return b.message()
}

// RenderSame builds an ACK or CANCEL from its INVITE: the same Request-URI, Via, Route, From, Call-ID and CSeq number.
func RenderSame(invite *sip.Request, method sip.RequestMethod, via, to string, h []Header) []byte {
	req := sip.NewRequest(method, invite.Recipient)
	for _, name := range []string{"Route", "From", "To", "Call-ID", "CSeq", "Max-Forwards", "Authorization", "Proxy-Authorization", "User-Agent"} {
		for _, v := range Values(invite.Headers(), name) {
			switch name {
			case "To":
				v = to
			case "CSeq":
				n, _, _ := strings.Cut(v, " ")
				v = n + " " + string(method)
			}
			req.AppendHeader(sip.NewHeader(name, v))
		}
	}
	for _, x := range h {
		req.AppendHeader(sip.NewHeader(x.Name, x.Value))
	}
	req.SetBody(nil)
	return Render(req, via)
}

// Phrase is the reason phrase of a status code, as RFC 3261 21 has it.
func Phrase(code int) string {
	if p, ok := phrases[code]; ok {
		return p
	}
	switch code / 100 {
	case 1:
		return "Session Progress"
	case 2:
		return "OK"
	case 3:
		return "Multiple Choices"
	case 4:
		return "Client Error"
	case 5:
		return "Server Internal Error"
	}
	return "Busy Everywhere"
}

var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
	400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
	407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large",
	415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
	422: "Session Interval Too Small", 423: "Interval Too Brief", 439: "First Hop Lacks Outbound Support", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
	505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
	606: "Not Acceptable",
}
