package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/icholy/digest"
)

// dialStarface connects over TCP, which is easier to read in a test than UDP; the messages are the same.
func dialStarface(t *testing.T, w *World) *tap {
	t.Helper()
	conn, err := w.Box.Dial(t.Context(), "tcp4", BoxLAN.String(), netip.AddrPortFrom(StarfaceAddr, starfacePort).String())
	if err != nil {
		t.Fatal(err)
	}
	return newTap(t, "to STARFACE", "tcp", conn)
}

func register(cseq int, authorization string, replace ...string) string {
	text := fmt.Sprintf(`REGISTER sip:starface.meinefirma.de SIP/2.0
Via: SIP/2.0/TCP 192.168.1.1:5060;branch=z9hG4bK%s
Max-Forwards: 70
From: <sip:user.01@starface.meinefirma.de>;tag=r1
To: <sip:user.01@starface.meinefirma.de>
Call-ID: reg1
CSeq: %d REGISTER
Contact: <sip:user.01@192.168.1.1:5060>
Expires: 180
`, token(6), cseq)
	if authorization != "" {
		text += "Authorization: " + authorization + "\n"
	}
	return strings.NewReplacer(replace...).Replace(text)
}

// credentials answers a challenge with code that is not the lab's.
func credentials(t *testing.T, m *message, method, uri, user, password string) string {
	t.Helper()
	challenge, err := digest.ParseChallenge(m.get("WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := digest.Digest(challenge, digest.Options{Method: method, URI: uri, Username: user, Password: password, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c.String()
}

func registerStandIn(t *testing.T, x *tap) {
	t.Helper()
	x.send(register(1, ""))
	challenged := x.response(401)
	x.send(register(2, credentials(t, challenged, "REGISTER", "sip:starface.meinefirma.de", "user.01", accounts["user.01"])))
	ok := x.response(200)
	if c := ok.get("Contact"); c != "<sip:user.01@192.168.1.1:5060>;expires=180" {
		t.Errorf("200 with Contact %s", c)
	}
	x.reply(x.request("OPTIONS"), 200, "<sip:192.168.1.1:5060>", "")
}

func TestStarfaceRegistersWithTheRightPasswordOnly(t *testing.T) {
	w := newTestWorld(t, Options{NoTeams: true})
	x := dialStarface(t, w)
	x.send(register(1, ""))
	challenged := x.response(401)
	const uri = "sip:starface.meinefirma.de"
	for _, c := range []struct{ name, credentials, reason string }{
		{"wrong password", credentials(t, challenged, "REGISTER", uri, "user.01", "guess"), "wrong digest"},
		{"other account", credentials(t, challenged, "REGISTER", uri, "user.02", accounts["user.02"]), `credentials of "user.02"`},
		{"unknown account", credentials(t, challenged, "REGISTER", uri, "root", "root"), `no account "root"`},
		{"other method", credentials(t, challenged, "INVITE", uri, "user.01", accounts["user.01"]), "wrong digest"},
		{"other URI", credentials(t, challenged, "REGISTER", "sip:a", "user.01", accounts["user.01"]), `digest for URI "sip:a"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			x.t = t
			x.send(register(2, c.credentials))
			if m := x.response(403); !strings.Contains(m.get("Warning"), strings.ReplaceAll(c.reason, `"`, `\"`)) {
				t.Errorf("warning %q, wanted %q", m.get("Warning"), c.reason)
			}
		})
	}
	x.t = t
	x.send(register(3, credentials(t, challenged, "REGISTER", uri, "user.01", accounts["user.01"]), "Expires: 180", "Expires: 10"))
	if m := x.response(423); m.get("Min-Expires") != "60" {
		t.Errorf("423 with Min-Expires %q", m.get("Min-Expires"))
	}
	w.Starface.ForgetNonces()
	x.send(register(4, credentials(t, challenged, "REGISTER", uri, "user.01", accounts["user.01"])))
	if m := x.response(401); !strings.Contains(m.get("WWW-Authenticate"), "stale=true") {
		t.Errorf("an old nonce was answered by %s", m.get("WWW-Authenticate"))
	}
	registerStandIn(t, x)
	if list := w.Starface.Registrations(); len(list) != 1 || list[0].Account != "user.01" || list[0].Lifetime != 180*time.Second {
		t.Errorf("registrations %+v", list)
	}
	x.send(register(5, credentials(t, challenged, "REGISTER", uri, "user.01", accounts["user.01"]), "Expires: 180", "Expires: 0"))
	x.response(401)
}

func pbxInvite(callID, authorization, body string, replace ...string) string {
	text := fmt.Sprintf(`INVITE sip:+4930123456@starface.meinefirma.de SIP/2.0
Via: SIP/2.0/TCP 192.168.1.1:5060;branch=z9hG4bK%s
Max-Forwards: 70
From: <sip:user.01@192.168.1.100>;tag=i1
To: <sip:+4930123456@starface.meinefirma.de>
Call-ID: %s
CSeq: 1 INVITE
Contact: <sip:user.01@192.168.1.1:5060>
`, token(6), callID)
	if authorization != "" {
		text += "Authorization: " + authorization + "\n"
	}
	return strings.NewReplacer(replace...).Replace(text + "Content-Type: application/sdp\n\n" + body)
}

func plainSDP(direction string) string {
	l := local{user: "box", id: 7, addr: BoxLAN, port: 30000, direction: direction, formats: starfaceFormats}
	return strings.ReplaceAll(string(l.bytes()), "\r\n", "\n")
}

func TestStarfaceTakesCallsOfRegisteredAccounts(t *testing.T) {
	w := newTestWorld(t, Options{NoTeams: true})
	x := dialStarface(t, w)
	x.send(pbxInvite("early", "", plainSDP("sendrecv")))
	if m := x.response(403); !strings.Contains(m.get("Warning"), "not registered") {
		t.Errorf("call of an unregistered account: %q", m.get("Warning"))
	}
	registerStandIn(t, x)
	for i, c := range []struct {
		name    string
		replace []string
		code    int
		reason  string
	}{
		{"number as account", []string{"sip:user.01@192.168.1.100", "sip:+497123222@192.168.1.100"}, 404, "is no account"},
		{"name instead of address in From", []string{"user.01@192.168.1.100", "user.01@sbc.meinefirma.de"}, 403, "From host"},
		{"another Contact", []string{"Contact: <sip:user.01@192.168.1.1:5060>", "Contact: <sip:user.01@192.168.1.1:5070>"}, 403, "not the registered one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x.t = t
			x.send(pbxInvite(fmt.Sprint("refused", i), "", plainSDP("sendrecv"), c.replace...))
			if m := x.response(c.code); !strings.Contains(m.get("Warning"), c.reason) {
				t.Errorf("warning %q, wanted %q", m.get("Warning"), c.reason)
			}
		})
	}
	x.t = t
	audio, err := newAudio(t.Context(), w.Box, BoxLAN, 30000, usualPtime)
	if err != nil {
		t.Fatal(err)
	}
	defer audio.Close()
	audio.setTone(TeamsTone, ToneDBm0)
	x.send(pbxInvite("good", "", plainSDP("sendrecv")))
	auth := credentials(t, x.response(401), "INVITE", "sip:+4930123456@starface.meinefirma.de", "user.01", accounts["user.01"])
	x.send(pbxInvite("good", auth, plainSDP("sendrecv")))
	x.response(100)
	x.response(180)
	ok := x.response(200)
	remote, err := parseSession(ok.body)
	if err != nil {
		t.Fatal(err)
	}
	inDialog := func(method string, cseq int, body string) string {
		text := fmt.Sprintf(`%[1]s %[2]s SIP/2.0
Via: SIP/2.0/TCP 192.168.1.1:5060;branch=z9hG4bK%[3]s
Max-Forwards: 70
From: %[4]s
To: %[5]s
Call-ID: good
CSeq: %[6]d %[1]s
Contact: <sip:user.01@192.168.1.1:5060>
`, method, parseAddress(ok.get("Contact")).text, token(6), ok.get("From"), ok.get("To"), cseq)
		if body != "" {
			text += "Content-Type: application/sdp\n\n" + body
		}
		return text
	}
	x.send(inDialog("ACK", 1, ""))
	if err := audio.apply(audioPlan{remote: netip.AddrPortFrom(remote.addr, remote.port), remoteRTCP: netip.AddrPortFrom(remote.addr, remote.rtcpPort), payload: 8, event: 101, send: true}); err != nil {
		t.Fatal(err)
	}
	call, err := w.Starface.NextCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantTone(t, "STARFACE", call.Audio, TeamsTone)
	wantTone(t, "the box", audio, StarfaceTone)
	x.send(inDialog("BYE", 2, ""))
	x.response(200)
	if end, err := call.WaitOver(t.Context()); err != nil || !end.ByBox {
		t.Errorf("end %+v, %v", end, err)
	}
}

// A call from the PBX over UDP: INVITE and its CANCEL reach the registered contact, retransmitted while nobody answers.
func TestStarfaceRetransmitsAndCancels(t *testing.T) {
	w := newTestWorld(t, Options{NoTeams: true})
	conn, err := w.Box.ListenPacket(t.Context(), "udp4", "192.168.1.1:5060")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to := packetTap(t, conn, netip.AddrPortFrom(StarfaceAddr, starfacePort))
	registerStandIn(t, to)
	call, err := w.Starface.Call(t.Context(), Ring{From: "004989123", Name: "Huber, Max"})
	if err != nil {
		t.Fatal(err)
	}
	invite := to.request("INVITE")
	if again := to.request("INVITE"); again.get("Via") != invite.get("Via") {
		t.Errorf("retransmitted with Via %s", again.get("Via"))
	}
	if invite.uri != "sip:user.01@192.168.1.1:5060" || !strings.HasPrefix(invite.get("From"), `"Huber, Max" <sip:004989123@192.168.1.100>`) {
		t.Errorf("INVITE\n%s", invite.bytes(false))
	}
	to.reply(invite, 180, "<sip:user.01@192.168.1.1:5060>", "")
	<-call.Ringing()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), hangs)
		defer cancel()
		ended <- call.Cancel(ctx, `SIP;cause=200;text="Call completed elsewhere"`)
	}()
	cancel := to.request("CANCEL")
	if b1, _ := cancel.branch(); b1 == "" || !strings.Contains(cancel.get("Reason"), "elsewhere") {
		t.Errorf("CANCEL\n%s", cancel.bytes(false))
	}
	to.reply(cancel, 200, "<sip:192.168.1.1>", "")
	to.reply(invite, 487, "<sip:192.168.1.1>", "")
	to.request("ACK")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if e := call.End(); e.Code != 487 {
		t.Errorf("end %+v", e)
	}
	if list := w.Starface.Refusals(); len(list) > 0 {
		t.Errorf("refused: %v", list)
	}
}
