package sipmsg

import (
	"iter"
	"strconv"
	"strings"
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

// separators yields each octet of set in s outside quotes, with its index (RFC 3261 25.1). If set has a quote, an unclosed quoted string
// yields a quote at the end.
func separators(s, set string) iter.Seq2[int, byte] {
	return func(yield func(int, byte) bool) {
		quoted := false
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case !quoted && strings.IndexByte(set, c) >= 0 && !yield(i, c):
				return
			}
		}
		if quoted && strings.IndexByte(set, '"') >= 0 {
			yield(len(s), '"')
		}
	}
}

// SplitList splits a header value at its commas, except inside quotes and angle brackets.
func SplitList(v string) []string { return appendList(nil, v) }

func appendList(list []string, v string) []string {
	start, bracket := 0, false
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	for i, c := range separators(v, ",<>") {
		switch {
		case c != ',':
			bracket = c == '<'
		case !bracket:
			add(v[start:i])
			start = i + 1
		}
	}
	add(v[start:])
	return list
}

// cutQuoted cuts at the first sep outside quotes. found reports whether there is one.
func cutQuoted(s, sep string) (before, after string, found bool) {
	for i := range separators(s, sep) {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// Param returns a parameter of a list such as `a=1;b="2"`, without quotes. Names are compared without case, and blanks may stand around
// every separator (RFC 3261 25.1).
func Param(params, name string) (value string, ok bool) {
	for more := params != ""; more; {
		var p string
		p, params, more = cutQuoted(params, ";")
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

// ParseNameAddr reads a name-addr or an addr-spec. Parameters behind an addr-spec belong to the header (RFC 3261 20.10).
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
	for i := range separators(v, "<") {
		return i
	}
	return -1
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
	return `"` + quotedPairs.Replace(s) + `"`
}

var quotedPairs = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// mediaType is a media type without the blanks that SIP alone permits around its slash (RFC 3261 25.1).
func mediaType(v string) string {
	kind, rest, ok := strings.Cut(v, "/")
	if k, r := strings.TrimSpace(kind), strings.TrimSpace(rest); ok && len(k)+len(r) < len(v)-1 {
		return k + "/" + r
	}
	return v
}
