package sipmsg

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

const invite = "INVITE sip:+49711@192.0.2.1 SIP/2.0\nv: SIP/2.0/TLS pbx.example;branch=z9hG4bKa;rport, SIP/2.0/UDP b.example;branch=z9hG4bKb\nVia: SIP/2.0/UDP c.example\n" +
	"RECORD-ROUTE: <sip:a;lr>, <sip:b;lr>\nRecord-Route: <sip:c;lr>\nFrom: \"A, <B>\" <sip:user.01@pbx.example>;tag=x\nTo: <sip:+49711@192.0.2.1>\n" +
	"Call-ID: c1\nCSeq: 7 INVITE\nm: <sip:user.01@192.0.2.100>\nMax-Forwards: 70\nRequire: 100rel\nk: timer, Replaces\nSession-Expires: 1800;refresher=uac\n" +
	"Min-SE: 90\nP-Asserted-Identity: <sip:+497111@pbx.example>\nContent-Type: application / sdp\nContent-Length: 3\n\nv=0"

func read(text string) Parsed {
	head, body, f := FrameDatagram([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
	return Parse(head, body, f, netip.MustParseAddrPort("192.0.2.100:5061"))
}

func TestTheViewOfARequest(t *testing.T) {
	p := read(invite)
	r := p.Request
	if r == nil || p.Fault != nil || r.Check(anyMethod) != nil {
		t.Fatalf("%+v", p)
	}
	if r.Via != (Via{Host: "pbx.example", Branch: "z9hG4bKa", RPort: true}) || len(r.vias) != 2 ||
		r.vias[0] != "SIP/2.0/TLS pbx.example;branch=z9hG4bKa;rport=5061;received=192.0.2.100, SIP/2.0/UDP b.example;branch=z9hG4bKb" {
		t.Errorf("Via: %+v %q", r.Via, r.vias)
	}
	if list := r.RecordRoute(); !slices.Equal(list, []string{"<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>"}) || len(r.recordRoutes) != 2 {
		t.Errorf("Record-Route: %q", list)
	}
	if r.Method != "INVITE" || r.Seq != 7 || r.SeqMethod != "INVITE" || r.FromTag != "x" || r.ToTag != "" || r.CallID != "c1" ||
		r.From.Name != "A, <B>" || r.From.User() != "user.01" || r.Target() != "sip:user.01@192.0.2.100" {
		t.Errorf("%+v", r)
	}
	if !r.Requires("100REL") || r.Requires("timer") || !r.Supports("timer") || !r.Supports("replaces") || !r.Supports("100rel") {
		t.Errorf("Require %q, Supported %q", r.require, r.supported)
	}
	interval, refresher := r.SessionExpires()
	if least, ok := r.MinSE(); interval != 30*time.Minute || refresher != "uac" || !ok || least != 90*time.Second {
		t.Errorf("session %v by %q, at least %v", interval, refresher, least)
	}
	if r.ContentType != "application/sdp" || string(r.Body) != "v=0" || len(r.Identities()) != 1 {
		t.Errorf("%q %q %v", r.ContentType, r.Body, r.Identities())
	}
}

// TestFieldsThatComeTwice: the first one counts, and a request that must have one is refused.
func TestFieldsThatComeTwice(t *testing.T) {
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		line := name + invite[strings.Index(invite, "\n"+name+": ")+1+len(name):]
		line, _, _ = strings.Cut(line, "\n")
		r := read(strings.Replace(invite, line+"\n", line+"\n"+line+"9\n", 1)).Request
		if f := r.Check(anyMethod); f == nil || f.Reason != "More than one "+name {
			t.Errorf("%s: %+v", name, f)
		}
		if r.FromTag != "x" || r.CallID != "c1" || r.Seq != 7 {
			t.Errorf("%s: the second one counts: %+v", name, r)
		}
		if f := read(strings.Replace(invite, line+"\n", "", 1)).Request.Check(anyMethod); f == nil || f.Reason != "Missing "+name {
			t.Errorf("without %s: %+v", name, f)
		}
	}
}

// BenchmarkView is an INVITE from its octets to what a gateway asks of it.
func BenchmarkView(b *testing.B) {
	head, body, f := FrameDatagram([]byte(strings.ReplaceAll(invite, "\n", "\r\n")))
	from := netip.MustParseAddrPort("192.0.2.100:5061")
	b.ReportAllocs()
	for b.Loop() {
		if p := Parse(head, body, f, from); p.Request.Check(anyMethod) != nil {
			b.Fatal(p.Request.Check(anyMethod))
		}
	}
}

func anyMethod(sip.RequestMethod) bool { return true }
