package call_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// message is a SIP message as the peers of scenarios read and write it: text, by code of their own, so that what the box writes is
// judged by somebody else.
type message struct {
	start  string
	fields [][2]string
	body   string
}

func (m *message) all(name string) (list []string) {
	for _, f := range m.fields {
		if strings.EqualFold(f[0], name) {
			list = append(list, f[1])
		}
	}
	return list
}

func (m *message) get(name string) string {
	if list := m.all(name); len(list) > 0 {
		return list[0]
	}
	return ""
}

func (m *message) has(name string) bool { return len(m.all(name)) > 0 }

func (m *message) drop(name string) {
	var kept [][2]string
	for _, f := range m.fields {
		if !strings.EqualFold(f[0], name) {
			kept = append(kept, f)
		}
	}
	m.fields = kept
}

func (m *message) add(name, value string) { m.fields = append(m.fields, [2]string{name, value}) }

// fallback adds a field that is not there yet.
func (m *message) fallback(name, value string) {
	if !m.has(name) {
		m.add(name, value)
	}
}

// code is the status of a response, 0 for a request.
func (m *message) code() int {
	if rest, ok := strings.CutPrefix(m.start, "SIP/2.0 "); ok {
		n, _ := strconv.Atoi(rest[:min(3, len(rest))])
		return n
	}
	return 0
}

// method is that of a request, or of the request that a response is for.
func (m *message) method() string {
	if m.code() != 0 {
		if f := strings.Fields(m.get("CSeq")); len(f) == 2 {
			return f[1]
		}
		return ""
	}
	method, _, _ := strings.Cut(m.start, " ")
	return method
}

func (m *message) seq() int {
	n, _, _ := strings.Cut(m.get("CSeq"), " ")
	seq, _ := strconv.Atoi(n)
	return seq
}

func (m *message) branch() string {
	_, rest, _ := strings.Cut(m.get("Via"), "branch=")
	rest, _, _ = strings.Cut(rest, ";")
	return rest
}

func tagOf(value string) string {
	_, tag, _ := strings.Cut(value, ";tag=")
	tag, _, _ = strings.Cut(tag, ";")
	return tag
}

// uriOf takes the URI out of a name-addr.
func uriOf(value string) string {
	if _, rest, ok := strings.Cut(value, "<"); ok {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(value, ";")
	return uri
}

func (m *message) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(m.start + "\r\n")
	for _, f := range m.fields {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	b.WriteString("\r\n" + m.body)
	return b.Bytes()
}

// parseMessage reads one whole message; what a user agent must never send is an error.
func parseMessage(raw []byte) (*message, error) {
	head, body, ok := strings.Cut(string(raw), "\r\n\r\n")
	if !ok {
		return nil, fmt.Errorf("message without end of headers: %q", raw)
	}
	lines := strings.Split(head, "\r\n")
	m := &message{start: lines[0], body: body}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(line, "\r\n") {
			return nil, fmt.Errorf("header line %q", line)
		}
		m.add(name, strings.TrimSpace(value))
	}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"} {
		if !m.has(name) {
			return nil, fmt.Errorf("%q has no %s", m.start, name)
		}
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq", "Content-Length", "Max-Forwards", "Content-Type"} {
		if len(m.all(name)) > 1 {
			return nil, fmt.Errorf("%q has %s twice", m.start, name)
		}
	}
	if n, _ := strconv.Atoi(m.get("Content-Length")); n != len(body) {
		return nil, fmt.Errorf("%q says Content-Length %d and has %d", m.start, n, len(body))
	}
	return m, nil
}

// frame cuts the first whole message off a stream; crlf is the number of bytes of keep-alives before it.
func frame(b []byte) (raw, rest []byte, crlf int) {
	for crlf < len(b) && (b[crlf] == '\r' || b[crlf] == '\n') {
		crlf++
	}
	b = b[crlf:]
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, b, crlf
	}
	length := 0
	for line := range strings.SplitSeq(string(b[:end]), "\r\n") {
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "Content-Length") {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	if len(b) < end+4+length {
		return nil, b, crlf
	}
	return b[:end+4+length], b[end+4+length:], crlf
}
