package sipmsg

import (
	"net/netip"
	"strings"
	"testing"
)

// TestBlanksInResponses: our branch comes back with blanks around it, and is known again.
func TestBlanksInResponses(t *testing.T) {
	v, ok := readVia("SIP / 2.0/UDP  sbc.example : 5062 ; rport = 5062 ; Branch = z9hG4bKours ; received=192.0.2.1")
	if !ok || v != (Via{Host: "sbc.example", Port: 5062, Branch: "z9hG4bKours", RPort: true}) {
		t.Errorf("%+v %v", v, ok)
	}
}

func TestBlanksAroundParameters(t *testing.T) {
	for list, want := range map[string]string{
		"tag=a": "a", " tag = a ": "a", "x;TAG=a;tag=b": "a", `x="tag=z;tag=y" ; tag = "a"`: "a", `t=1;tag="a\"b"`: `a"b`,
	} {
		if got, ok := Param(list, "tag"); !ok || got != want {
			t.Errorf("%s: %q %v, want %q", list, got, ok, want)
		}
	}
	if r, ok := ParseReplaces("id@host ; to-tag = a ; from-tag = b ; early-only"); !ok || r != (Replaces{"id@host", "a", "b", true}) {
		t.Errorf("Replaces: %+v %v", r, ok)
	}
	res := Response{Message: Message{details: details{sessionExpires: "1800 ; refresher = UAC"}}}
	if d, refresher := res.SessionExpires(); d.Seconds() != 1800 || refresher != "uac" {
		t.Errorf("Session-Expires: %v %s", d, refresher)
	}
}

func FuzzVia(f *testing.F) {
	for _, s := range []string{"SIP/2.0/UDP 192.0.2.100:5060 ; branch = z9hG4bKa2 ; rport", "SIP / 2.0 / UDP [::1] : 5;x=\"a;\\\"\" , SIP/2.0/TCP b", "SIP/2.0/UDP a;;", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\n") {
			return
		}
		v, ok := readVia(text)
		if !ok {
			return
		}
		r := Request{Message: Message{Via: v, details: details{vias: []string{text}}}}
		r.markVia(netip.MustParseAddrPort("192.0.2.100:5060"))
		if again, ok := readVia(r.vias[0]); !ok || again != v {
			t.Errorf("%q: %+v becomes %+v (%v)", text, v, again, ok)
		}
	})
}
