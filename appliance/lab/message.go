package lab

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// message is a SIP message as text: headers keep their order, spelling and bytes. The lab reads and
// writes SIP with its own code, so that a mistake of the box's parser is not answered by the same mistake here.
type message struct {
	method, uri string // of a request
	code        int    // of a response, else 0
	reason      string
	headers     []header
	body        []byte
}

type header struct{ name, value string }

// compact forms (RFC 3261 7.3.3 and extensions).
var compact = map[string]string{
	"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
	"k": "supported", "s": "subject", "e": "content-encoding", "u": "allow-events", "o": "event", "r": "refer-to", "b": "referred-by", "x": "session-expires",
}

// parseMessage reads one whole message.
func parseMessage(data []byte) (*message, error) {
	head, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok {
		return nil, errors.New("read message: no empty line after the headers")
	}
	lines := strings.Split(string(head), "\r\n")
	m := &message{}
	if rest, ok := strings.CutPrefix(lines[0], "SIP/2.0 "); ok {
		code, reason, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(code)
		if err != nil || n < 100 || n > 699 {
			return nil, fmt.Errorf("read message: status line %q", lines[0])
		}
		m.code, m.reason = n, reason
	} else {
		method, rest, _ := strings.Cut(lines[0], " ")
		uri, version, _ := strings.Cut(rest, " ")
		if method == "" || uri == "" || version != "SIP/2.0" {
			return nil, fmt.Errorf("read message: request line %q", lines[0])
		}
		m.method, m.uri = method, uri
	}
	for _, line := range lines[1:] {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && len(m.headers) > 0 { // folded
			m.headers[len(m.headers)-1].value += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("read message: header line %q", line)
		}
		m.headers = append(m.headers, header{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		if m.get(name) == "" {
			return nil, fmt.Errorf("read message: no %s", name)
		}
	}
	if length := m.get("Content-Length"); length != "" {
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(body) {
			return nil, fmt.Errorf("read message: Content-Length %q, but %d octets of body", length, len(body))
		}
		body = body[:n]
	}
	m.body = body
	return m, nil
}

// bytes writes the message. capitals spells header names as Microsoft does.
func (m *message) bytes(capitals bool) []byte {
	var b bytes.Buffer
	if m.code != 0 {
		fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", m.code, m.reason)
	} else {
		fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", m.method, m.uri)
	}
	for _, h := range m.headers {
		if is(h.name, "Content-Length") {
			continue
		}
		name := h.name
		if capitals {
			name = strings.ToUpper(name)
		}
		fmt.Fprintf(&b, "%s: %s\r\n", name, h.value)
	}
	fmt.Fprintf(&b, "%s: %d\r\n\r\n", map[bool]string{false: "Content-Length", true: "CONTENT-LENGTH"}[capitals], len(m.body))
	b.Write(m.body)
	return b.Bytes()
}

func is(name, want string) bool {
	if len(name) == 1 {
		if long, ok := compact[strings.ToLower(name)]; ok {
			name = long
		}
	}
	return strings.EqualFold(name, want)
}

// get returns the first value of a header, or "".
func (m *message) get(name string) string {
	for _, h := range m.headers {
		if is(h.name, name) {
			return h.value
		}
	}
	return ""
}

func (m *message) has(name string) bool {
	return slices.ContainsFunc(m.headers, func(h header) bool { return is(h.name, name) })
}

func (m *message) add(name, value string) { m.headers = append(m.headers, header{name, value}) }

// list returns all values of a header that may hold several in one line.
func (m *message) list(name string) (values []string) {
	for _, h := range m.headers {
		if is(h.name, name) {
			values = append(values, splitList(h.value)...)
		}
	}
	return values
}

func (m *message) describe() string {
	if m.code != 0 {
		return fmt.Sprintf("%d %s to %s", m.code, m.reason, m.cseqMethod())
	}
	return m.method + " " + m.uri
}

func (m *message) cseq() (n int, method string) {
	number, method, _ := strings.Cut(m.get("CSeq"), " ")
	n, _ = strconv.Atoi(number)
	return n, strings.TrimSpace(method)
}

func (m *message) cseqMethod() string {
	_, method := m.cseq()
	return method
}

// branch returns the branch and sent-by of the topmost Via.
func (m *message) branch() (branch, sentBy string) {
	via := ""
	if vias := m.list("Via"); len(vias) > 0 {
		via = vias[0]
	}
	first, params, _ := strings.Cut(via, ";")
	if _, host, ok := strings.Cut(strings.TrimSpace(first), " "); ok {
		sentBy = strings.TrimSpace(host)
	}
	return parameters(params)["branch"], sentBy
}

func (m *message) tag(name string) string { return parseAddress(m.get(name)).params["tag"] }

// splitList cuts at commas outside of quotes and angle brackets.
func splitList(value string) (parts []string) {
	quoted, depth, start := false, 0, 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			depth++
		case c == '>':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, strings.TrimSpace(value[start:i]))
			start = i + 1
		}
	}
	return append(parts, strings.TrimSpace(value[start:]))
}

// address is a name-addr or addr-spec with its header parameters.
type address struct {
	display string
	text    string // the URI as written
	uri     uri
	params  map[string]string
}

func parseAddress(value string) address {
	a := address{}
	rest := strings.TrimSpace(value)
	if strings.HasPrefix(rest, `"`) {
		end := 1
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		a.display = rest[1:min(end, len(rest))]
		rest = rest[min(end+1, len(rest)):]
	}
	if before, after, ok := strings.Cut(rest, "<"); ok {
		if a.display == "" {
			a.display = strings.TrimSpace(before)
		}
		var tail string
		a.text, tail, _ = strings.Cut(after, ">")
		_, tail, _ = strings.Cut(tail, ";")
		a.params = parameters(tail)
	} else {
		// Without brackets the parameters belong to the header (RFC 3261 20).
		var tail string
		a.text, tail, _ = strings.Cut(strings.TrimSpace(rest), ";")
		a.params = parameters(tail)
	}
	a.uri = parseURI(a.text)
	return a
}

// uri is the parts of a SIP or tel URI. port is 0 when there is none.
type uri struct {
	scheme, user, host string
	port               int
	params             map[string]string
}

func parseURI(text string) uri {
	u := uri{}
	scheme, rest, _ := strings.Cut(text, ":")
	u.scheme = strings.ToLower(scheme)
	rest, _, _ = strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		u.user, rest = rest[:at], rest[at+1:]
	}
	host, params, _ := strings.Cut(rest, ";")
	u.params = parameters(params)
	if u.scheme == "tel" {
		u.user = host
		return u
	}
	name, port, ok := strings.Cut(host, ":")
	u.host = strings.ToLower(name)
	if ok {
		u.port, _ = strconv.Atoi(port)
	}
	return u
}

// parameters reads a;b=c;d="e"; names in lower case.
func parameters(text string) map[string]string {
	p := map[string]string{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, _ := strings.Cut(part, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			p[name] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return p
}
