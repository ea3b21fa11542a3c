package sipmsg

import (
	"strings"
	"testing"
)

// FuzzReferTo feeds Refer-To values of a peer to their reader.
func FuzzReferTo(f *testing.F) {
	f.Add(`<sip:x@y?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Privacy=history>`)
	f.Add(`<sip:+49@x;user=phone?Reason=SIP%3Bcause%3D302>`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\n\x00") {
			return // such a value is no header field
		}
		for _, e := range ParseList([]string{text}) {
			if uri, r := ReferTo(e.URI); r != nil && strings.Contains(uri, "?") {
				t.Errorf("%q: %q", text, uri)
			}
		}
	})
}
