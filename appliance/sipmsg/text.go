package sipmsg

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// splitHostPort takes "host", "host:port", "[v6]" and "[v6]:port" apart; a port that is no number is 0.
func splitHostPort(s string) (host string, port uint16) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return s, 0
		}
		return s[1:end], parsePort(strings.TrimPrefix(s[end+1:], ":"))
	}
	host, p, _ := strings.Cut(s, ":")
	return host, parsePort(p)
}

func parsePort(s string) uint16 {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// JoinHostPort is the opposite; port 0 is left out.
func JoinHostPort(host string, port uint16) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(int(port))
}

// SplitList splits a header value at its commas, except inside quotes and angle brackets.
func SplitList(v string) []string {
	var list []string
	start, quoted, bracket := 0, false, false
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == ',' && !bracket:
			add(v[start:i])
			start = i + 1
		}
	}
	add(v[min(start, len(v)):])
	return list
}

// cutQuoted cuts at the first sep outside quotes; found tells whether there is one.
func cutQuoted(s string, sep byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// Param returns a parameter of a list such as `a=1;b="2"`, without quotes. Names are compared without case, and blanks may stand around
// every separator (RFC 3261 25.1).
func Param(params, name string) (value string, ok bool) {
	for more := params != ""; more; {
		var p string
		p, params, more = cutQuoted(params, ';')
		if k, v := keyValue(p); k != "" && strings.EqualFold(k, name) {
			return unquote(v), true
		}
	}
	return "", false
}

// keyValue takes one parameter apart.
func keyValue(p string) (key, value string) {
	key, value, _ = strings.Cut(p, "=")
	return strings.TrimSpace(key), strings.TrimSpace(value)
}

// ParseNameAddr reads a name-addr or an addr-spec; everything behind an addr-spec's semicolon is a header parameter (RFC 3261 20.10).
func ParseNameAddr(v string) NameAddr {
	v = strings.TrimSpace(v)
	open := angle(v)
	if open < 0 {
		uri, params, _ := strings.Cut(v, ";")
		return NameAddr{URI: strings.TrimSpace(uri), Params: params}
	}
	n := NameAddr{Name: unquote(strings.TrimSpace(v[:open]))}
	rest := v[open+1:]
	uri, tail, _ := strings.Cut(rest, ">")
	n.URI = strings.TrimSpace(uri)
	n.Params = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(tail), ";"))
	return n
}

// angle finds the opening bracket of a name-addr, outside its quoted display name; -1: none.
func angle(v string) int {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch {
		case quoted && v[i] == '\\':
			i++
		case v[i] == '"':
			quoted = !quoted
		case v[i] == '<' && !quoted:
			return i
		}
	}
	return -1
}

// Contact is the URI of the first Contact, "" when there is none that can be used.
func Contact(m interface{ Headers() []sip.Header }) string {
	list := SplitList(First(m, "Contact"))
	if len(list) == 0 {
		return ""
	}
	uri := strings.Join(strings.Fields(ParseNameAddr(list[0]).URI), "") // blanks in it would split our request line
	if _, err := RawURI(uri); err != nil {
		return ""
	}
	return uri
}

// Bracketed reports whether a value is a name-addr: its URI stands in brackets.
func Bracketed(v string) bool { return angle(v) >= 0 }

func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Quote makes a display name safe between quotes.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// compact names of header fields that we read, by the length of the long ones: it is looked up some hundred times a call.
var compact = func() (byLength [32][][2]string) {
	for _, pair := range [][2]string{
		{"Via", "v"}, {"From", "f"}, {"To", "t"}, {"Call-ID", "i"}, {"Contact", "m"}, {"Content-Type", "c"}, {"Content-Length", "l"},
		{"Supported", "k"}, {"Refer-To", "r"}, {"Referred-By", "b"}, {"Event", "o"}, {"Subject", "s"}, {"Session-Expires", "x"}, {"Content-Encoding", "e"},
	} {
		byLength[len(pair[0])] = append(byLength[len(pair[0])], pair)
	}
	return byLength
}()

// Values are the values of all fields of a name, long or compact, in order.
func Values(m interface{ Headers() []sip.Header }, name string) []string {
	var list []string
	short := compactName(name)
	for _, h := range m.Headers() {
		if isNamed(h, name, short) {
			list = append(list, h.Value())
		}
	}
	return list
}

// First is the first of them, "" when there is none.
func First(m interface{ Headers() []sip.Header }, name string) string {
	short := compactName(name)
	for _, h := range m.Headers() {
		if isNamed(h, name, short) {
			return h.Value()
		}
	}
	return ""
}

// ContentType is the Content-Type of a message.
func ContentType(m interface{ Headers() []sip.Header }) string {
	return mediaType(First(m, "Content-Type"))
}

// mediaType is a media type without the blanks that SIP alone permits around its slash (RFC 3261 25.1).
func mediaType(v string) string {
	kind, rest, ok := strings.Cut(v, "/")
	if !ok {
		return v
	}
	return strings.TrimSpace(kind) + "/" + strings.TrimSpace(rest)
}

// isNamed is asked some hundred times a call, so it compares lengths first.
func isNamed(h sip.Header, name, short string) bool {
	n := h.Name()
	return len(n) == len(name) && strings.EqualFold(n, name) || short != "" && len(n) == 1 && strings.EqualFold(n, short)
}

// compactName is the compact form of a name, "" when it has none.
func compactName(name string) string {
	if len(name) < len(compact) {
		for _, pair := range compact[len(name)] {
			if strings.EqualFold(pair[0], name) {
				return pair[1]
			}
		}
	}
	return ""
}
