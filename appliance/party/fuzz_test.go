package party

import (
	"strings"
	"testing"

	"viaduct/appliance/config"
	"viaduct/appliance/sipmsg"
)

// FuzzHistory feeds History-Info and Diversion values of a peer to their readers: whatever comes out must fit into one
// header line of the other side.
func FuzzHistory(f *testing.F) {
	f.Add(`<sip:+49@x;user=phone?Reason=SIP%3Bcause%3D302%3Btext%3D%22a%22>;index=1.1`)
	f.Add(`"B" <tel:+49-30>;reason=user-busy;counter=3;privacy=full, <sip:x@y>;counter=-1`)
	f.Add(`<sip:x@y?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2&Privacy=history>`)
	f.Add(`<sip:%0d%0aX: y@z>;reason="a;b"`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\n\x00") {
			return // such a value is no header field
		}
		entries := sipmsg.ParseList([]string{text})
		for _, d := range []Diverted{history(&config.Switch{}, entries), diversions(&config.Switch{}, entries)} {
			for _, h := range d.header("sbc.example", true) {
				if strings.ContainsAny(h.Value, "\r\n\x00") || strings.Count(h.Value, "<") != 1 {
					t.Errorf("%q gives %q", text, h.Value)
				}
			}
			if d.Times < 0 {
				t.Errorf("%q: %d times", text, d.Times)
			}
		}
	})
}
