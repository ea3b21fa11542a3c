package pnp

import (
	"net/netip"
	"strings"
	"testing"
)

var (
	phone = netip.MustParseAddrPort("10.108.2.21:5062")
	box   = netip.MustParseAddrPort("10.108.2.1:45678")
)

// subscribe is as a Snom sends it.
const subscribe = "SUBSCRIBE sip:MAC%3a000413992200@224.0.1.75 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 10.108.2.21:5062;branch=z9hG4bK-ujl5j1pqtm1a;rport\r\n" +
	"From: <sip:MAC%3a000413992200@224.0.1.75>;tag=4mnmm0wd2r\r\n" +
	"To: <sip:MAC%3a000413992200@224.0.1.75>\r\n" +
	"Call-ID: 3c26700c1adb-2x3bx7p1xdg6\r\n" +
	"CSeq: 1 SUBSCRIBE\r\n" +
	"Max-Forwards: 70\r\n" +
	"Contact: <sip:10.108.2.21:5062>;reg-id=1\r\n" +
	"Event: ua-profile;profile-type=\"device\";vendor=\"snom\";model=\"snomD735\";version=\"10.1.64.14\"\r\n" +
	"Expires: 0\r\n" +
	"Accept: application/url\r\n" +
	"Content-Length: 0\r\n\r\n"

func TestAnswer(t *testing.T) {
	var said Device
	url := func(d Device) string { said = d; return "http://10.108.2.1:8080/000413992200.xml" }
	ok, notify, to, err := answer([]byte(subscribe), phone, box, url)
	if err != nil {
		t.Fatal(err)
	}
	if (said != Device{"snom", "snomD735", "10.1.64.14", "000413992200"}) {
		t.Errorf("the phone is %+v", said)
	}
	if to != phone {
		t.Errorf("the answer goes to %s", to)
	}
	want := func(message, part string) {
		t.Helper()
		if !strings.Contains(message, part) {
			t.Errorf("%q is missing in\n%s", part, message)
		}
	}
	want(string(ok), "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.108.2.21:5062;branch=z9hG4bK-ujl5j1pqtm1a;rport=5062;received=10.108.2.21\r\n")
	want(string(ok), "CSeq: 1 SUBSCRIBE\r\n")
	_, tag, _ := strings.Cut(string(ok), "To: <sip:MAC%3a000413992200@224.0.1.75>;tag=")
	tag, _, _ = strings.Cut(tag, "\r\n")
	want(string(notify), "NOTIFY sip:10.108.2.21:5062 SIP/2.0\r\nVia: SIP/2.0/UDP 10.108.2.1:45678;branch=z9hG4bK")
	want(string(notify), "From: <sip:MAC%3a000413992200@224.0.1.75>;tag="+tag+"\r\n")
	want(string(notify), "To: <sip:MAC%3a000413992200@224.0.1.75>;tag=4mnmm0wd2r\r\n")
	want(string(notify), "Call-ID: 3c26700c1adb-2x3bx7p1xdg6\r\n")
	want(string(notify), "Event: ua-profile;effective-by=0\r\nSubscription-State: terminated;reason=timeout\r\nContent-Type: application/url\r\n")
	want(string(notify), "\r\n\r\nhttp://10.108.2.1:8080/000413992200.xml")

	// Whoever names another host as his address is answered where he is.
	_, notify, to, err = answer([]byte(strings.ReplaceAll(subscribe, "<sip:10.108.2.21:5062>", "<sip:192.0.2.9:5060>")), phone, box, url)
	if err != nil || to != phone || !strings.HasPrefix(string(notify), "NOTIFY sip:10.108.2.21:5062 ") {
		t.Errorf("%v, to %s: %s", err, to, notify)
	}
	// Without rport the port is that of the Via.
	_, _, to, _ = answer([]byte(strings.ReplaceAll(subscribe, ";rport", "")), netip.AddrPortFrom(phone.Addr(), 40000), box, url)
	if to != phone {
		t.Errorf("without rport the answer goes to %s", to)
	}
	for why, other := range map[string]string{
		"another method":      strings.ReplaceAll(subscribe, "SUBSCRIBE", "OPTIONS"),
		"another event":       strings.Replace(subscribe, "ua-profile", "presence", 1),
		"no event":            strings.Replace(subscribe, "Event:", "X-Event:", 1),
		"in a dialog":         strings.Replace(subscribe, "To: <sip:MAC%3a000413992200@224.0.1.75>", "To: <sip:x@224.0.1.75>;tag=1", 1),
		"without a tag":       strings.Replace(subscribe, ";tag=4mnmm0wd2r", "", 1),
		"a response":          strings.Replace(subscribe, "SUBSCRIBE sip:MAC%3a000413992200@224.0.1.75 SIP/2.0", "SIP/2.0 200 OK", 1),
		"nothing":             "",
		"half of it":          subscribe[:200],
		"something of others": "M-SEARCH * HTTP/1.1\r\n\r\n",
	} {
		if _, _, _, err := answer([]byte(other), phone, box, url); err == nil {
			t.Errorf("%s is answered", why)
		}
	}
}

// What comes by multicast from anybody never makes more than one response and one request, each a message of its own.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(subscribe))
	f.Add([]byte(strings.ReplaceAll(subscribe, "4mnmm0wd2r", "x\nInjected: yes")))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		ok, notify, to, err := answer(datagram, phone, box, func(d Device) string {
			if len(d.Vendor) > maxWord || len(d.MAC) > maxWord {
				t.Errorf("%+v", d)
			}
			return "http://10.108.2.1:8080/"
		})
		if err != nil {
			return
		}
		if to.Addr() != phone.Addr() || !strings.HasPrefix(string(ok), "SIP/2.0 200 OK\r\n") || !strings.HasPrefix(string(notify), "NOTIFY ") || !strings.HasSuffix(string(notify), "\r\n\r\nhttp://10.108.2.1:8080/") {
			t.Errorf("to %s\n%s\n%s", to, ok, notify)
		}
	})
}
