package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// What Teams refuses beyond the messages of teams_test.go, with the reason each time.

// refusedWith waits for a refusal with text in its reason.
func refusedWith(t *testing.T, w *World, text string) {
	t.Helper()
	for deadline := time.Now().Add(hangs); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, r := range w.Teams.Refusals() {
			if strings.Contains(r.Text, text) {
				return
			}
		}
	}
	t.Errorf("no refusal with %q in %v", text, w.Teams.Refusals())
}

func TestTeamsRefusesOldTLS(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	c := boxTLS(w, &w.PKI.Box)
	c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := dialHubAs(t, w, 0, c); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	refusedWith(t, w, "unsupported versions")
}

// The suites of Teams are all for RSA: with an EC certificate of the box there is none in common (A.3).
func TestTeamsHasNoSuiteForAnECKey(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := w.PKI.IssueBox(key, SBCName)
	if err != nil {
		t.Fatal(err)
	}
	l, err := w.Box.Listen(t.Context(), "tcp4", netip.AddrPortFrom(BoxWAN, w.options.SBCPort).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := &standIn{t: t, w: w}
	if s.out, err = dialHub(t, w, 0, &w.PKI.Box); err != nil {
		t.Fatal(err)
	}
	s.out.send(s.options(nil))
	s.out.response(200)
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := tls.Server(raw, boxTLS(w, &cert)).HandshakeContext(t.Context()); err == nil || !strings.Contains(err.Error(), "no cipher suite") {
		t.Errorf("the box says %v", err)
	}
	refusedWith(t, w, "handshake of sip.pstnhub.microsoft.com with sbc.meinefirma.de")
	if w.Teams.Hubs[0].Active() {
		t.Error("the hub takes the box for healthy")
	}
}

// The box is healthy only when its answers to Teams' own OPTIONS are in order (A.19).
func TestTeamsRefusesAnswersToItsOptions(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true, OptionsInterval: 50 * time.Millisecond})
	s := newStandIn(t, w, 0)
	for _, c := range []struct {
		name    string
		code    int
		contact string
		replace []string
		reason  string
	}{
		{"another code", 404, boxContact(""), nil, "our OPTIONS got 404"},
		{"no Contact", 200, boxContact(""), []string{"Contact: " + boxContact("") + "\n", ""}, "headers are missing: Contact"},
		{"an address in Contact", 200, "<sip:123.123.123.123:5062;transport=tls>", nil, "not the paired SBC"},
		{"a SIPS Contact", 200, "<sips:sbc.meinefirma.de:5062>", nil, "SIPS"},
		{"no Allow", 200, boxContact(""), []string{"Allow: INVITE,ACK,CANCEL,BYE,OPTIONS\n", ""}, "headers are missing: Allow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.in.t = t
			s.in.reply(s.in.request("OPTIONS"), c.code, c.contact, "", c.replace...)
			refusedWith(t, w, c.reason)
		})
	}
	// The answer on the connection of the box instead of that of the question.
	s.in.t = t
	s.out.reply(s.in.request("OPTIONS"), 200, boxContact(""), "")
	refusedWith(t, w, "nothing that we asked on this connection")
}

func TestTeamsRefusesFurtherInvites(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	short := s.sdp("sendrecv", 1)
	short = short[strings.Index(short, "inline:")+len("inline:") : strings.Index(short, "|2^31")]
	for i, c := range []struct {
		name    string
		replace []string
		code    int
		reason  string
	}{
		{"no Contact", []string{"Contact: <sip:+4930123456@sbc.meinefirma.de:5062;transport=tls>\n", ""}, 403, "headers are missing"},
		{"SIPS Contact", []string{"Contact: <sip:", "Contact: <sips:"}, 403, "SIPS"},
		{"SIPS From", []string{"<sip:+4930123456@sbc.meinefirma.de;user", "<sips:+4930123456@sbc.meinefirma.de;user"}, 400, "SIPS"},
		{"wrong port in Contact", []string{"sbc.meinefirma.de:5062;", "sbc.meinefirma.de:5061;"}, 403, "signalling port"},
		{"address in Record-Route", []string{"Max-Forwards", "Record-Route: <sip:123.123.123.123;lr>\nMax-Forwards"}, 403, "Record-Route host"},
		{"the name of a region", []string{"@sip.pstnhub.microsoft.com:5061;user=phone;transport", "@sip-du-a-eu.pstnhub.microsoft.com:5061;user=phone;transport"}, 404, "Request-URI host"},
		{"Replaces required", []string{"Max-Forwards", "Require: replaces\nMax-Forwards"}, 420, "replaces"},
		{"recvonly", []string{"a=sendrecv", "a=recvonly"}, 488, "not understood"},
		{"no codec in common", []string{" 8 101", " 101"}, 488, "no codec"},
		{"a short key", []string{short, short[:36]}, 488, "octets instead of 30"},
		{"no crypto line", []string{"a=crypto", "a=x-crypto"}, 488, suite80},
		{"PRACK", []string{"INVITE sip:", "PRACK sip:", "1 INVITE", "1 PRACK"}, 405, "not in our Allow"},
		{"INFO", []string{"INVITE sip:", "INFO sip:", "1 INVITE", "1 INFO"}, 405, "not in our Allow"},
		{"SUBSCRIBE", []string{"INVITE sip:", "SUBSCRIBE sip:", "1 INVITE", "1 SUBSCRIBE"}, 405, "not in our Allow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.out.t = t
			s.out.send(s.invite(fmt.Sprint("further", i), c.replace...))
			if m := s.out.response(c.code); !strings.Contains(m.get("Reason"), c.reason) {
				t.Errorf("reason %q, wanted %q", m.get("Reason"), c.reason)
			}
		})
	}
}

// Inside a call: offers, and media that move (A.23, A.43, A.44).
func TestTeamsRefusesOffersInACall(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	s.out.send(s.invite("established"))
	s.out.response(100)
	s.out.response(180)
	ok := s.out.response(200)
	s.out.send(dialogRequest("ACK", ok, 1, ""))
	for i, c := range []struct {
		name    string
		body    string
		replace []string
		code    int
		reason  string
	}{
		{"recvonly", s.sdp("recvonly", 1), nil, 488, "not understood"},
		{"hold by address", strings.ReplaceAll(s.sdp("sendrecv", 1), "c=IN IP4 123.123.123.123", "c=IN IP4 0.0.0.0"), nil, 488, "0.0.0.0"},
		{"plain RTP", strings.ReplaceAll(s.sdp("sendrecv", 1), "SAVP", "AVP"), nil, 488, "RTP/SAVP"},
		{"no offer", "", nil, 488, "delayed offer"},
		{"address in Contact", s.sdp("inactive", 1), []string{"@sbc.meinefirma.de:5062;transport", "@123.123.123.123:5062;transport"}, 403, "not the paired SBC"},
		{"100rel required", s.sdp("inactive", 1), []string{"Max-Forwards", "Require: 100rel\nMax-Forwards"}, 420, "100rel"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.out.t = t
			s.out.send(dialogRequest("INVITE", ok, 2+i, c.body, c.replace...))
			if m := s.out.response(c.code); !strings.Contains(m.get("Reason"), c.reason) {
				t.Errorf("reason %q, wanted %q", m.get("Reason"), c.reason)
			}
			s.out.send(dialogRequest("ACK", ok, 2+i, ""))
		})
	}
	s.out.t = t
	s.out.send(dialogRequest("INVITE", ok, 20, strings.ReplaceAll(s.sdp("sendrecv", 1), "m=audio 20000", "m=audio 20002")))
	s.out.response(200)
	s.out.send(dialogRequest("ACK", ok, 20, ""))
	refusedWith(t, w, "media moved from 123.123.123.123:20000 to 123.123.123.123:20002")
	other, err := dialHub(t, w, 1, &w.PKI.Box)
	if err != nil {
		t.Fatal(err)
	}
	other.send(dialogRequest("BYE", ok, 21, ""))
	if m := other.response(481); !strings.Contains(m.get("Reason"), "came to sip2.pstnhub.microsoft.com, but Record-Route names") {
		t.Errorf("BYE at another hub: %q", m.get("Reason"))
	}
	s.out.send(dialogRequest("BYE", ok, 22, ""))
	s.out.response(200)
}

// A re-INVITE that leaves before the BYE of Teams has come is nobody's fault; one after a BYE of the box is.
func TestReinviteThatCrossesABYEIsNoOffence(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	connect := func(id string) (*Call, *message) {
		s.out.send(s.invite(id))
		ok := s.out.response(200)
		s.out.send(dialogRequest("ACK", ok, 1, ""))
		call, err := w.Teams.NextCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return call, ok
	}
	call, ok := connect("theirs")
	ended := make(chan error, 1)
	go func() { ended <- call.Hangup(t.Context()) }()
	s.in.reply(s.in.request("BYE"), 200, boxContact("a"), "")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	s.out.send(dialogRequest("INVITE", ok, 2, s.sdp("sendrecv", 1)))
	s.out.response(481)
	s.out.send(dialogRequest("ACK", ok, 2, ""))
	if list := w.Teams.Refusals(); len(list) > 0 {
		t.Errorf("refused: %v", list)
	}
	_, ok = connect("ours")
	s.out.send(dialogRequest("BYE", ok, 2, ""))
	s.out.response(200)
	s.out.send(dialogRequest("INVITE", ok, 3, s.sdp("sendrecv", 1)))
	s.out.response(481)
	refusedWith(t, w, "in a dialog that is not there")
}

func TestTeamsEndsCallsWithFurtherBadAnswers(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	good := s.sdp("sendrecv", 1)
	for _, c := range []struct {
		name    string
		body    string
		replace []string
		reason  string
	}{
		{"sendonly", s.sdp("sendonly", 1), nil, "answer: a=sendonly is not understood"},
		{"c=0.0.0.0", strings.ReplaceAll(good, "c=IN IP4 123.123.123.123", "c=IN IP4 0.0.0.0"), nil, "answer: c=0.0.0.0"},
		{"the short authentication tag", strings.Replace(strings.Replace(good, suite80, suite32, 1), "crypto:1", "crypto:0", 1), nil, "suite is " + suite32},
		{"two crypto lines", strings.Replace(good, "a=crypto", "a=crypto:0 "+suite32+" inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|2^31\na=crypto", 1), nil, "2 crypto lines"},
		{"no lifetime", strings.ReplaceAll(good, "|2^31", ""), nil, "lifetime"},
		{"no A-law", strings.Replace(good, " 8 101", " 0 101", 1), nil, "no A-law"},
		{"the audio is refused", strings.Replace(good, "m=audio 20000", "m=audio 0", 1), nil, "refuses the audio"},
		{"no Record-Route", good, []string{"RECORD-ROUTE:", "X-ROUTE:"}, "instead of ours"},
		{"no Contact", good, []string{"Contact: " + boxContact("a") + "\n", ""}, "headers are missing: Contact"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.in.t = t
			call, err := w.Teams.Call(t.Context(), Dial{})
			if err != nil {
				t.Fatal(err)
			}
			s.in.reply(s.in.request("INVITE"), 200, boxContact("a"), c.body, c.replace...)
			refusedWith(t, w, c.reason)
			for _, method := range []string{"ACK", "BYE"} {
				m := s.in.request(method)
				if method == "BYE" {
					s.in.reply(m, 200, boxContact("a"), "")
				}
			}
			if _, err := call.WaitOver(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}
