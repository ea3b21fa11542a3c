package lab

import (
	"context"
	"crypto"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
)

// lastRefusal is the newest refusal whose reason contains text.
func lastRefusal(t *testing.T, list []Refusal, text string) {
	t.Helper()
	for _, r := range list {
		if strings.Contains(r.Text, text) {
			return
		}
	}
	t.Errorf("no refusal with %q in %v", text, list)
}

func TestTeamsRefusesHandshakes(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	other, err := w.PKI.IssueBox(w.PKI.Box.PrivateKey.(crypto.Signer), "sbc.other.example")
	if err != nil {
		t.Fatal(err)
	}
	bare := w.PKI.Box
	bare.Certificate = bare.Certificate[:1]
	for _, c := range []struct {
		name   string
		cert   *tls.Certificate
		reason string
	}{
		{"no client certificate", nil, "didn't provide a certificate"},
		{"intermediate missing", &bare, "client certificate (1 in the chain)"},
		{"another name", &other, "sbc.other.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dialHub(t, w, 0, c.cert)
			for deadline := time.Now().Add(hangs); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				for _, r := range w.Teams.Refusals() {
					if strings.Contains(r.Text, c.reason) {
						return
					}
				}
			}
			t.Errorf("connected (%v), refusals %v", err, w.Teams.Refusals())
		})
	}
}

func TestTeamsRefusesOptions(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := &standIn{t: t, w: w}
	var err error
	if s.out, err = dialHub(t, w, 0, &w.PKI.Box); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		replace []string
		code    int
		reason  string
	}{
		{"no Contact", []string{"Contact: <sip:sbc.meinefirma.de:5062;transport=tls>\n", ""}, 403, "headers are missing"},
		{"address in Contact", []string{"Contact: <sip:sbc.meinefirma.de", "Contact: <sip:123.123.123.123"}, 403, "not the paired SBC"},
		{"wrong port in Contact", []string{"Contact: <sip:sbc.meinefirma.de:5062", "Contact: <sip:sbc.meinefirma.de:5061"}, 403, "signalling port"},
		{"no transport in Contact", []string{"5062;transport=tls>", "5062>"}, 403, "transport=tls"},
		{"user part", []string{"Contact: <sip:", "Contact: <sip:sbc@"}, 400, "user part"},
		{"empty user part", []string{"Contact: <sip:", "Contact: <sip:@"}, 400, "user part"},
		{"SIPS Request-URI", []string{"OPTIONS sip:", "OPTIONS sips:"}, 400, "sip URI"},
		{"SIPS Contact", []string{"Contact: <sip:", "Contact: <sips:"}, 403, "SIPS"},
		{"address in Record-Route", []string{"Max-Forwards", "Record-Route: <sip:123.123.123.123;lr>\nMax-Forwards"}, 403, "Record-Route host"},
		{"From of another", []string{"From: <sip:sbc.", "From: <sip:abc."}, 403, "From host"},
		{"the name of another hub", []string{"OPTIONS sip:sip.", "OPTIONS sip:sip2."}, 404, "Request-URI host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.out.t = t
			s.out.send(s.options(c.replace))
			m := s.out.response(c.code)
			if !strings.Contains(m.get("Reason"), c.reason) {
				t.Errorf("reason %q, wanted %q", m.get("Reason"), c.reason)
			}
			lastRefusal(t, w.Teams.Refusals(), c.reason)
		})
	}
	s.out.t = t
	if w.Teams.Hubs[0].Active() {
		t.Error("active without any good OPTIONS")
	}
	s.out.send(s.invite("early"))
	if m := s.out.response(403); !strings.Contains(m.get("Reason"), "no OPTIONS") {
		t.Errorf("INVITE without OPTIONS: %q", m.get("Reason"))
	}
	if _, err := w.Teams.Call(t.Context(), Dial{}); err == nil || !strings.Contains(err.Error(), "inactive") {
		t.Errorf("a call to a box without OPTIONS: %v", err)
	}
}

func TestTeamsRefusesInvites(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	for i, c := range []struct {
		name    string
		replace []string
		code    int
		reason  string
	}{
		{"address in Contact", []string{"@sbc.meinefirma.de:5062;", "@123.123.123.123:5062;"}, 403, "not the paired SBC"},
		{"no plus in Request-URI", []string{"INVITE sip:+", "INVITE sip:"}, 404, "not +E.164"},
		{"no plus in From", []string{"<sip:+4930", "<sip:0030"}, 400, "From user"},
		{"From without the FQDN", []string{"@sbc.meinefirma.de;user", "@123.123.123.123;user"}, 403, "From host"},
		{"Replaces", []string{"Max-Forwards", "Replaces: a;to-tag=b;from-tag=c\nMax-Forwards"}, 400, "Replaces"},
		{"100rel required", []string{"Max-Forwards", "Require: 100rel\nMax-Forwards"}, 420, "100rel"},
		{"wrong suite", []string{"SHA1_80", "SHA1_32"}, 488, suite80},
		{"no lifetime", []string{"|2^31", ""}, 488, "lifetime"},
		{"plain RTP", []string{"RTP/SAVP", "RTP/AVP"}, 488, "RTP/SAVP"},
		{"hold by address", []string{"c=IN IP4 123.123.123.123", "c=IN IP4 0.0.0.0"}, 488, "0.0.0.0"},
		{"sendonly", []string{"a=sendrecv", "a=sendonly"}, 488, "not understood"},
		{"ICE", []string{"a=ptime", "a=ice-ufrag:abc\na=ptime"}, 488, "ICE"},
		{"SIPS", []string{"INVITE sip:", "INVITE sips:"}, 400, "sip URI"},
		{"REFER", []string{"INVITE sip:", "REFER sip:", "1 INVITE", "1 REFER"}, 405, "not in our Allow"},
		{"UPDATE", []string{"INVITE sip:", "UPDATE sip:", "1 INVITE", "1 UPDATE"}, 405, "not in our Allow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.out.t = t
			s.out.send(s.invite(fmt.Sprint("refused", i), c.replace...))
			if m := s.out.response(c.code); !strings.Contains(m.get("Reason"), c.reason) {
				t.Errorf("reason %q, wanted %q", m.get("Reason"), c.reason)
			}
		})
	}
	s.out.t = t
	text := s.invite("delayed")
	s.out.send(text[:strings.Index(text, "Content-Type")])
	if m := s.out.response(488); !strings.Contains(m.get("Reason"), "delayed offer") {
		t.Errorf("INVITE without SDP: %q", m.get("Reason"))
	}
	s.in.send(s.invite("wrong way"))
	if m := s.in.response(403); !strings.Contains(m.get("Reason"), "that Teams opened") {
		t.Errorf("INVITE on Teams' connection: %q", m.get("Reason"))
	}
	if n := w.Teams.Calls(); n != 0 {
		t.Errorf("%d calls left", n)
	}
}

// dialogRequest is a request of the stand-in in a dialog that Teams answered.
func dialogRequest(method string, ok *message, cseq int, body string, replace ...string) string {
	text := fmt.Sprintf(`%[1]s %[2]s SIP/2.0
Via: SIP/2.0/TLS sbc.meinefirma.de:5062;branch=z9hG4bK%[3]s
Max-Forwards: 70
Route: %[4]s
From: %[5]s
To: %[6]s
Call-ID: %[7]s
CSeq: %[8]d %[1]s
Contact: <sip:+4930123456@sbc.meinefirma.de:5062;transport=tls>
`, method, parseAddress(ok.get("Contact")).text, token(6), ok.get("Record-Route"), ok.get("From"), ok.get("To"), ok.get("Call-ID"), cseq)
	if body != "" {
		text += "Content-Type: application/sdp\n\n" + body
	}
	return strings.NewReplacer(replace...).Replace(text)
}

func TestCallToTeamsRingsAnswersAndCarriesAudio(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	w.Teams.Behave(Behaviour{Forks: 3, EarlyMedia: true})
	s := newStandIn(t, w, 1)
	began := time.Now()
	s.openAudio()
	s.out.send(s.invite("good"))
	s.out.response(100)
	tags := map[string]bool{}
	for range 3 {
		tags[s.out.response(180).tag("To")] = true
	}
	if len(tags) != 3 {
		t.Errorf("180 came with tags %v", tags)
	}
	s.out.response(183)
	ok := s.out.response(200)
	if text := string(ok.bytes(false)); !strings.Contains(text, "RECORD-ROUTE: <sip:sip-du-a-us.") || !strings.Contains(text, "CONTACT: <sip:api-du-a-euwe.pstnhub.microsoft.com:443;x-i=") {
		t.Errorf("200 is not dressed as Microsoft's:\n%s", text)
	}
	s.join(ok.body)
	s.out.send(dialogRequest("ACK", ok, 1, ""))
	call, err := w.Teams.NextCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if call.From != "+4930123456" || call.To != "+497123222" || call.FromName != "PBX" || call.Hub.Index != 1 {
		t.Errorf("call %+v", call)
	}
	wantTone(t, "Teams", call.Audio, StarfaceTone)
	wantTone(t, "the box", s.audio, TeamsTone)

	s.out.send(dialogRequest("BYE", ok, 2, "", "Route: <sip:sip-du-a-us.pstnhub.microsoft.com:5061;transport=tls;lr>\n", ""))
	if m := s.out.response(481); !strings.Contains(m.get("Reason"), "Record-Route") {
		t.Errorf("BYE without Route: %q", m.get("Reason"))
	}
	s.out.send(dialogRequest("BYE", ok, 3, "", "443;x-i=", "443;X-I="))
	if m := s.out.response(481); !strings.Contains(m.get("Reason"), "byte for byte") {
		t.Errorf("BYE to another URI: %q", m.get("Reason"))
	}
	s.in.send(dialogRequest("BYE", ok, 4, ""))
	if m := s.in.response(403); !strings.Contains(m.get("Reason"), "that Teams opened") {
		t.Errorf("BYE on Teams' connection: %q", m.get("Reason"))
	}
	for _, method := range []string{"UPDATE", "INFO", "REFER", "PRACK"} {
		s.out.send(dialogRequest(method, ok, 5, ""))
		s.out.response(405)
	}
	s.out.send(dialogRequest("INVITE", ok, 6, s.sdp("sendonly", 1)))
	s.out.response(488)
	s.out.send(dialogRequest("ACK", ok, 6, ""))
	s.out.send(dialogRequest("INVITE", ok, 7, s.sdp("inactive", 1)))
	if m := s.out.response(200); !strings.Contains(string(m.body), "a=inactive") {
		t.Errorf("hold was answered by\n%s", m.body)
	}
	s.out.send(dialogRequest("ACK", ok, 7, ""))
	s.out.send(dialogRequest("BYE", ok, 8, ""))
	s.out.response(200)
	end, err := call.WaitOver(t.Context())
	if err != nil || !end.ByBox || end.Reason != "BYE" {
		t.Errorf("end %+v, %v", end, err)
	}
	if stats := call.Audio.Stats(); stats.Bad > 0 || stats.Foreign > 0 || stats.Lost > 0 || stats.Reports > 1+int(time.Since(began)/time.Second) { // one a second
		t.Errorf("audio %+v", stats)
	}
}

func TestCallFromTeamsIsHeldRefreshedAndEnded(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	s.openAudio()
	call, err := w.Teams.Call(t.Context(), Dial{Name: "Anna"})
	if err != nil {
		t.Fatal(err)
	}
	invite := s.in.request("INVITE")
	if text := string(invite.bytes(false)); !strings.Contains(text, "\r\nFROM: \"Anna\" <sip:+497123222@") || !strings.Contains(text, "m=audio 49152 RTP/SAVP 111 ") {
		t.Errorf("INVITE is not dressed as Microsoft's:\n%s", text)
	}
	offer, err := parseSession(invite.body)
	if err != nil {
		t.Fatal(err)
	}
	contact := boxContact("+4930123456")
	s.in.reply(invite, 180, contact, "")
	s.in.reply(invite, 200, contact, s.sdp("sendrecv", offer.line80().tag))
	ack := s.in.request("ACK")
	if ack.uri != parseAddress(contact).text {
		t.Errorf("ACK to %s", ack.uri)
	}
	if err := call.WaitUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.join(invite.body)
	wantTone(t, "Teams", call.Audio, StarfaceTone)
	wantTone(t, "the box", s.audio, TeamsTone)

	reinvite := func(f func(context.Context) (Reply, error), direction string) (r Reply, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			r, err = f(t.Context())
		}()
		s.in.reply(s.in.request("INVITE"), 200, contact, s.sdp(direction, 1))
		s.in.request("ACK")
		<-done
		return r, err
	}
	if r, err := reinvite(call.Hold, "inactive"); err != nil || r.Direction != "inactive" || !r.SameKey {
		t.Errorf("hold: %+v, %v", r, err)
	}
	if r, err := reinvite(call.Resume, "sendrecv"); err != nil || r.Direction != "sendrecv" {
		t.Errorf("resume: %+v, %v", r, err)
	}
	if r, err := reinvite(call.Refresh, "sendrecv"); err != nil || !r.Same || !r.SameKey {
		t.Errorf("refresh: %+v, %v", r, err)
	}
	wantTone(t, "Teams after the refresh", call.Audio, StarfaceTone)
	ended := make(chan error, 1)
	go func() { ended <- call.Hangup(t.Context()) }()
	s.in.reply(s.in.request("BYE"), 200, contact, "")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if list := w.Teams.Refusals(); len(list) > 0 {
		t.Errorf("refused: %v", list)
	}
	if p := call.Provisionals(); len(p) != 1 || p[0].Code != 180 {
		t.Errorf("provisionals %v", p)
	}
}

func TestTeamsEndsCallsWithABadAnswer(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	for _, c := range []struct {
		name, contact, body, reason string
	}{
		{"wrong tag", boxContact("a"), s.sdp("sendrecv", 0), "crypto tag 0"},
		{"address in Contact", "<sip:123.123.123.123:5062;transport=tls>", s.sdp("sendrecv", 1), "not the paired SBC"},
		{"plain RTP", boxContact("a"), strings.Replace(s.sdp("sendrecv", 1), "SAVP", "AVP", 1), "RTP/AVP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.in.t = t
			call, err := w.Teams.Call(t.Context(), Dial{})
			if err != nil {
				t.Fatal(err)
			}
			s.in.reply(s.in.request("INVITE"), 200, c.contact, c.body)
			s.in.request("ACK")
			s.in.reply(s.in.request("BYE"), 200, c.contact, "")
			if _, err := call.WaitOver(t.Context()); err != nil {
				t.Fatal(err)
			}
			lastRefusal(t, w.Teams.Refusals(), c.reason)
		})
	}
}

func TestTeamsMisbehavesWhenTold(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	s := newStandIn(t, w, 0)
	hub := w.Teams.Hubs[0]

	hub.Behave(Behaviour{Code: 503, Reason: "Service Unavailable", RetryAfter: 1})
	s.out.send(s.invite("b1"))
	if m := s.out.response(503); m.get("Retry-After") != "1" {
		t.Errorf("503 with Retry-After %q", m.get("Retry-After"))
	}
	hub.Behave(Behaviour{Code: 486, Reason: "Busy Here", Cause: "Q.850;cause=34"})
	s.out.send(s.invite("b2"))
	if m := s.out.response(486); m.get("Reason") != "Q.850;cause=34" {
		t.Errorf("486 with Reason %q", m.get("Reason"))
	}
	hub.Behave(Behaviour{Silent: true, SilentOptions: true})
	s.out.send(s.invite("b3"))
	s.out.send(s.options(nil))
	select {
	case m := <-s.out.in:
		t.Errorf("a silent hub said %s", m.describe())
	case <-time.After(100 * time.Millisecond):
	}
	hub.Behave(Behaviour{Manual: true})
	s.out.send(s.invite("b4", "z9hG4bK", "z9hG4bKcancelme"))
	s.out.response(180)
	s.out.send(`CANCEL sip:+497123222@sip.pstnhub.microsoft.com:5061;user=phone;transport=tls SIP/2.0
Via: SIP/2.0/TLS sbc.meinefirma.de:5062;branch=z9hG4bKnone
Max-Forwards: 70
From: <sip:+4930123456@sbc.meinefirma.de>;tag=a1
To: <sip:+497123222@sip.pstnhub.microsoft.com>
Call-ID: b4
CSeq: 1 CANCEL
`)
	s.out.response(481)
	hub.Stop()
	if _, err := dialHub(t, w, 0, &w.PKI.Box); err == nil {
		t.Error("a stopped hub takes connections")
	}
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := dialHub(t, w, 0, &w.PKI.Box); err != nil {
		t.Errorf("a hub started again: %v", err)
	}
	if n := hub.Invites(); n != 4 {
		t.Errorf("%d INVITEs counted", n)
	}
}

func TestKeepAliveIsAnswered(t *testing.T) {
	w := newTestWorld(t, Options{NoStarface: true})
	raw, err := w.Box.Dial(t.Context(), "tcp4", "", "52.114.75.24:5061")
	if err != nil {
		t.Fatal(err)
	}
	c := boxTLS(w, &w.PKI.Box)
	c.ServerName = sites[0].name
	conn := tls.Client(raw, c)
	defer conn.Close()
	if _, err := conn.Write([]byte("\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	_ = conn.SetReadDeadline(time.Now().Add(hangs))
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "\r\n" {
		t.Errorf("double CRLF was answered by %q, %v", buf[:n], err)
	}
}
