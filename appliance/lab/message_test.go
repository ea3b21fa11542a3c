package lab

import (
	"slices"
	"strings"
	"testing"
)

const wellFormed = "INVITE sip:+49@a.example SIP/2.0\r\nv: SIP/2.0/UDP h:5060;branch=z9hG4bK1\r\nFrom: \"A, \\\"B\\\"\"\r\n <sip:a@b.example;x=1>;tag=t1\r\n" +
	"t: sip:c@d.example;tag=t2\r\ni: 1\r\nCSeq: 7 INVITE\r\nRecord-Route: <sip:r1;lr>, <sip:r2,x;lr>\r\nRECORD-ROUTE: <sip:r3;lr>\r\nl: 3\r\n\r\nabcdef"

func TestMessageIsReadInEverySpelling(t *testing.T) {
	m, err := parseMessage([]byte(wellFormed))
	if err != nil {
		t.Fatal(err)
	}
	from, to := parseAddress(m.get("From")), parseAddress(m.get("To"))
	if from.display != `A, \"B\"` || from.text != "sip:a@b.example;x=1" || from.params["tag"] != "t1" || from.uri.host != "b.example" || from.uri.params["x"] != "1" {
		t.Errorf("From %+v", from)
	}
	if to.text != "sip:c@d.example" || to.params["tag"] != "t2" {
		t.Errorf("To %+v", to)
	}
	if got := m.list("Record-Route"); !slices.Equal(got, []string{"<sip:r1;lr>", "<sip:r2,x;lr>", "<sip:r3;lr>"}) {
		t.Errorf("Record-Route %q", got)
	}
	if branch, sentBy := m.branch(); branch != "z9hG4bK1" || sentBy != "h:5060" {
		t.Errorf("Via %q %q", branch, sentBy)
	}
	if n, method := m.cseq(); n != 7 || method != "INVITE" || string(m.body) != "abc" {
		t.Errorf("CSeq %d %s, body %q", n, method, m.body)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(wellFormed))
	f.Add([]byte(strings.Replace(wellFormed, "INVITE sip:+49@a.example SIP/2.0", "SIP/2.0 200 OK", 1)))
	f.Fuzz(func(_ *testing.T, data []byte) {
		m, err := parseMessage(data)
		if err != nil {
			return
		}
		parseAddress(m.get("From"))
		m.branch()
		m.list("Contact")
		m.bytes(true)
	})
}

func FuzzSession(f *testing.F) {
	l := local{user: "-", addr: MediaAddr, port: 49152, direction: "sendrecv", mux: true, formats: teamsFormats, crypto: []cryptoLine{{1, suite80, newKey(), "2^31"}}}
	f.Add(l.bytes())
	f.Add([]byte("a=rtcp:\r\n"))
	f.Fuzz(func(_ *testing.T, body []byte) {
		if s, err := parseSession(body); err == nil {
			_ = checkSession(s)
			s.event()
		}
	})
}
