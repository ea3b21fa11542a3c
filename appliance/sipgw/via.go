package sipgw

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// parseVia reads a Via whose parameters hold quoted strings, which sipgo takes apart at a semicolon inside them: what it then says
// in the response is no longer what the peer wrote, as RFC 3261 8.2.6.2 wants it. All others, and lists, are sipgo's to read.
func parseVia(otherwise sip.HeaderParser) sip.HeaderParser {
	return func(name []byte, text string) (sip.Header, error) {
		if !strings.Contains(text, `"`) || len(splitList(text)) != 1 {
			return otherwise(name, text)
		}
		params := splitParams(text)
		h, err := otherwise(name, params[0])
		via, ok := h.(*sip.ViaHeader)
		if err != nil || !ok {
			return h, err
		}
		via.Params = sip.NewParams()
		for _, p := range params[1:] {
			key, value, _ := strings.Cut(p, "=")
			if value = strings.TrimSpace(value); strings.ContainsAny(value, " \t") {
				value = strings.Trim(value, `"`) // sipgo quotes what holds blanks
			}
			via.Params = append(via.Params, sip.HeaderKV{K: strings.TrimSpace(key), V: value})
		}
		return via, nil
	}
}

// splitParams splits a header value at its semicolons, except inside quotes.
func splitParams(v string) (list []string) {
	start, quoted := 0, false
	for i := 0; i < len(v); i++ {
		switch {
		case quoted && v[i] == '\\':
			i++
		case v[i] == '"':
			quoted = !quoted
		case v[i] == ';' && !quoted:
			list = append(list, v[start:i])
			start = i + 1
		}
	}
	return append(list, v[start:])
}
