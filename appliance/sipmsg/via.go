package sipmsg

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Via is the topmost Via of a message: whose request it is, and where its response goes (RFC 3261 18.2, 20.42). The text of the field
// stays in the message as the peer wrote it, because a response repeats it (8.2.6.2); sipgo's own reader takes no blanks around
// separators, although 25.1 allows them around every one.
type Via struct {
	Host   string // without the brackets of an IPv6 address
	Port   uint16 // 0: none given
	Branch string
	RPort  bool
}

// Cookie reports whether the branch is one of RFC 3261 (8.1.1.7).
func (v Via) Cookie() bool { return strings.HasPrefix(v.Branch, sip.RFC3261BranchMagicCookie) }

// readVia reads the first value of a Via field.
func readVia(text string) (v Via, ok bool) {
	text, others, more := cutQuoted(text, ",")
	for more {
		var one string
		if one, others, more = cutQuoted(others, ","); strings.TrimSpace(one) == "" {
			return Via{}, false
		}
	}
	head, params, more := cutQuoted(text, ";")
	name, rest, ok := strings.Cut(head, "/")
	version, rest, ok2 := strings.Cut(rest, "/")
	transport, sentBy := cutBlank(strings.TrimSpace(rest))
	if !ok || !ok2 || strings.Contains(head, `"`) || !strings.EqualFold(strings.TrimSpace(name), "SIP") || strings.TrimSpace(version) == "" || transport == "" {
		return Via{}, false
	}
	if v.Host, v.Port, ok = readSentBy(sentBy); !ok {
		return Via{}, false
	}
	for more {
		var p string
		p, params, more = cutQuoted(params, ";")
		key, value := keyValue(p)
		switch {
		case key == "":
			return Via{}, false
		case strings.EqualFold(key, "branch"):
			v.Branch = value
		case strings.EqualFold(key, "rport"):
			v.RPort = true
		}
	}
	return v, true
}

// readSentBy reads "host", "host : port" and the same of an IPv6 address in brackets.
func readSentBy(s string) (host string, port uint16, ok bool) {
	host, rest := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, false
		}
		host, rest = s[1:end], strings.TrimSpace(s[end+1:])
		if rest != "" && rest[0] != ':' {
			return "", 0, false
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, rest = s[:i], s[i:]
	}
	if host = strings.TrimSpace(host); host == "" || strings.ContainsAny(host, " \t\"") {
		return "", 0, false
	}
	if rest == "" {
		return host, 0, true
	}
	port = parsePort(rest[1:])
	return host, port, port != 0
}

// cutBlank cuts at the first run of blanks.
func cutBlank(s string) (before, after string) {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], strings.TrimSpace(s[i:])
	}
	return s, ""
}

// markVia notes the source of the request in the topmost Via, so that the response finds its way back (RFC 3261 18.2.1, RFC 3581). The rest
// of the field keeps its text.
func (r *Request) markVia(from netip.AddrPort) {
	if !r.Via.RPort && r.Via.Host == from.Addr().String() {
		return
	}
	field := r.vias[0]
	first, _, _ := cutQuoted(field, ",")
	others := field[len(first):]

	var b strings.Builder
	part, rest, more := cutQuoted(strings.TrimRight(first, " \t"), ";")
	b.WriteString(part)
	for more {
		part, rest, more = cutQuoted(rest, ";")
		switch key, _ := keyValue(part); {
		case strings.EqualFold(key, "received"):
			continue // only we know
		case strings.EqualFold(key, "rport"):
			part = key + "=" + strconv.Itoa(int(from.Port()))
		}
		b.WriteString(";" + part)
	}
	b.WriteString(";received=" + from.Addr().String() + others)
	r.vias[0] = b.String()
}
