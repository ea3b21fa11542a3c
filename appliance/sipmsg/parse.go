package sipmsg

import (
	"bytes"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// parser leaves every header field that holds an address as text: what a peer says is given back byte for byte (route sets,
// teams.md A.32), and read when it is needed.
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

// Parse reads a message that has been cut out of a datagram or a stream. What it returns instead of nothing says how its sender is to be
// refused: head is what has been parsed, and m is nil when nobody can be answered.
func Parse(head, body []byte, f Framing) (m sip.Message, parsed []byte, fault Framing, err error) {
	if tooLarge(head) {
		head, body, f = essentials(head), nil, Framing{errTooLarge, 513}
	}
	head = withReason(head)
	var n int
	m, n, err = parser.ParseHeaders(head, false)
	if err == nil && n != len(head) {
		err = errLength
	}
	if m == nil && f.Err == nil {
		m, f = salvage(head, err)
	}
	if m != nil && len(body) > 0 && f.Err == nil {
		m.SetBody(append([]byte(nil), body...))
	}
	return m, head, f, err
}

// withReason puts the blank behind the status code that some peers leave out together with the reason phrase.
func withReason(head []byte) []byte {
	const code = len("SIP/2.0 200")
	if len(head) < code+2 || !bytes.EqualFold(head[:4], []byte("SIP/")) || head[7] != ' ' || !bytes.HasPrefix(head[code:], crlf2[:2]) {
		return head
	}
	return slices.Concat(head[:code], []byte(" "), head[code:])
}

// salvage makes a request, only to be refused, of one whose start line cannot be parsed: its sender waits for an answer.
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
