package sipmsg

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// parser keeps header fields with addresses as text, because a peer gets its own text back byte for byte (route sets, teams.md A.32).
var parser = sip.NewParser(sip.WithHeadersParsers(func() map[string]sip.HeaderParser {
	all := map[string]sip.HeaderParser{}
	for name, f := range sip.DefaultHeadersParser() {
		switch name {
		case "cseq", "call-id", "i", "content-length", "l":
			all[name] = f
		}
	}
	return all
}()))

// Parsed is a request, a response, or neither; then Err says why.
type Parsed struct {
	Request  *Request
	Response *Response
	Fault    *Fault // why the request is refused before anything looks at it; nil: it can be read
	Head     []byte // start line and header fields, as they were read
	Err      error
}

// Parse reads a message that has been cut out of a datagram or a stream. head and body may be overwritten afterwards.
func Parse(head, body []byte, f Framing, source netip.AddrPort) (p Parsed) {
	if tooLarge(head) {
		head, body, f = essentials(head), nil, Framing{errTooLarge, 513}
	}
	p.Head = withReason(head)
	m, n, err := parser.ParseHeaders(p.Head, false)
	if err == nil && n != len(p.Head) {
		err = errLength
	}
	if m == nil && f.Err == nil {
		m, f = salvage(p.Head, err)
	}
	if m != nil && len(body) > 0 && f.Err == nil {
		m.SetBody(bytes.Clone(body))
	}
	p.Err = cmp.Or(err, f.Err)
	switch m := m.(type) {
	case *sip.Response:
		if p.Err == nil {
			p.Response = newResponse(m, source)
		}
	case *sip.Request:
		r := newRequest(m, source)
		if len(r.vias) == 0 {
			p.Err = cmp.Or(err, errNoVia)
			return p // nobody to answer
		}
		p.Request, p.Fault = r, r.unreadable(f, err)
	}
	return p
}

// unreadable returns the refusal of a request that cannot be read, nil for a readable one.
func (r *Request) unreadable(f Framing, err error) *Fault {
	switch {
	case f.Err != nil:
		return &Fault{Code: f.Code}
	case !r.ViaOK:
		return &Fault{Code: 400, Reason: "Malformed Via"}
	case err != nil:
		return &Fault{Code: 400}
	}
	return nil
}

// ParseRequest reads a request from its text alone.
func ParseRequest(text []byte) (*Request, error) {
	m, _, err := parser.ParseHeaders(text, false)
	req, ok := m.(*sip.Request)
	if err != nil || !ok {
		return nil, fmt.Errorf("parse request: %w", cmp.Or(err, errLength))
	}
	return newRequest(req, netip.AddrPort{}), nil
}

// withReason adds the blank behind the status code. Some peers leave it out together with the reason phrase.
func withReason(head []byte) []byte {
	const code = len("SIP/2.0 200")
	if len(head) < code+2 || !bytes.EqualFold(head[:4], []byte("SIP/")) || head[7] != ' ' || !bytes.HasPrefix(head[code:], crlf2[:2]) {
		return head
	}
	return slices.Concat(head[:code], []byte(" "), head[code:])
}

// salvage makes a request from a message with a broken start line. The request can only be refused, but its sender waits for a response.
func salvage(head []byte, err error) (sip.Message, Framing) {
	line, rest, _ := bytes.Cut(head, crlf2[:2])
	words := strings.Fields(string(line))
	if len(words) < 2 || strings.HasPrefix(words[0], "SIP/") {
		return nil, Framing{Err: err, Code: 400}
	}
	m, _, bad := parser.ParseHeaders(append([]byte("UNREADABLE sip:unreadable SIP/2.0\r\n"), rest...), false)
	req, ok := m.(*sip.Request)
	if !ok || bad != nil {
		return nil, Framing{Err: err, Code: 400}
	}
	if req.Method = sip.RequestMethod(words[0]); req.Method == sip.ACK {
		return nil, Framing{Err: err, Code: 400}
	}
	f := Framing{Err: err, Code: 400}
	if scheme, _, ok := strings.Cut(words[1], ":"); ok && len(words) == 3 && scheme != "" && IsToken(scheme[0]) && !slices.Contains([]string{"sip", "sips", "tel"}, scheme) {
		f.Code = 416
	}
	return req, f
}
