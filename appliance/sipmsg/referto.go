package sipmsg

import (
	"net/url"
	"strings"
)

// ReferTo splits a Refer-To URI into the Request-URI and a Replaces header (RFC 3261 19.1.5).
func ReferTo(uri string) (string, *Replaces) {
	uri, headers, _ := strings.Cut(uri, "?")
	for h := range strings.SplitSeq(headers, "&") {
		name, value, _ := strings.Cut(h, "=")
		if text, err := url.PathUnescape(value); err == nil && strings.EqualFold(name, "Replaces") {
			if r, ok := ParseReplaces(text); ok {
				return uri, &r
			}
		}
	}
	return uri, nil
}
