package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func subscribe(cseq int, to, authorization string, replace ...string) string {
	text := fmt.Sprintf(`SUBSCRIBE sip:user.02@192.168.1.100 SIP/2.0
Via: SIP/2.0/TCP 192.168.1.1:5060;branch=z9hG4bK%s
Max-Forwards: 70
From: <sip:user.01@192.168.1.100>;tag=w1
To: %s
Call-ID: watch1
CSeq: %d SUBSCRIBE
Contact: <sip:user.01@192.168.1.1:5060>
Event: dialog
Accept: application/dialog-info+xml
Expires: 600
`, token(6), to, cseq)
	if authorization != "" {
		text += "Authorization: " + authorization + "\n"
	}
	return strings.NewReplacer(replace...).Replace(text)
}

// TestStarfaceTellsWhoIsOnThePhone has a stand-in for the box subscribe, refresh and end a subscription, and do it wrongly.
func TestStarfaceTellsWhoIsOnThePhone(t *testing.T) {
	const uri, to = "sip:user.02@192.168.1.100", "<sip:user.02@192.168.1.100>"
	w := newTestWorld(t, Options{NoTeams: true})
	x := dialStarface(t, w)
	x.send(subscribe(1, to, ""))
	mine := credentials(t, x.response(401), "SUBSCRIBE", uri, "user.01", accounts["user.01"])
	for n, c := range []struct {
		code    int
		replace []string
	}{
		{489, []string{"Event: dialog", "Event: presence"}},
		{406, []string{"Accept: application/dialog-info+xml", "Accept: application/pidf+xml"}},
		{400, []string{"Contact: <sip:user.01@192.168.1.1:5060>\n", ""}},
		{400, []string{"Expires: 600", "Expires: soon"}},
		{404, []string{"sip:user.02@192.168.1.100 SIP", "sip:user.99@192.168.1.100 SIP"}},
		{423, []string{"Expires: 600", "Expires: 59"}},
		{403, []string{"<sip:user.01@192.168.1.100>;tag", "<sip:user.03@192.168.1.100>;tag"}},
		{481, []string{to, to + ";tag=x"}},
	} {
		x.send(subscribe(10+n, to, mine, append(c.replace, "watch1", fmt.Sprint("bad", n))...))
		x.response(c.code)
	}
	if list := w.Starface.Watched(); len(list) != 0 {
		t.Errorf("watched %v", list)
	}

	// told wants the next NOTIFY, and answers it.
	version := -1
	told := func(state, subscription string, code int) *message {
		t.Helper()
		m := x.request("NOTIFY")
		version++
		if body := string(m.body); !strings.Contains(body, "<state>"+state+"</state>") || !strings.Contains(body, fmt.Sprintf(`version="%d" state="full" entity="sip:user.02@192.168.1.100"`, version)) ||
			!strings.Contains(body, `xmlns="urn:ietf:params:xml:ns:dialog-info"`) || !strings.HasPrefix(m.get("Subscription-State"), subscription) || m.get("Event") != "dialog" {
			t.Errorf("told %s\n%s", m.get("Subscription-State"), body)
		}
		x.reply(m, code, "<sip:192.168.1.1:5060>", "")
		return m
	}
	x.send(subscribe(20, to, mine))
	ok := x.response(200)
	if ok.get("Expires") != "600" {
		t.Errorf("for %s s", ok.get("Expires"))
	}
	if first := told("terminated", "active;expires=", 200); first.tag("From") != ok.tag("To") || first.tag("To") != "w1" || first.uri != "sip:user.01@192.168.1.1:5060" {
		t.Errorf("NOTIFY %s", first.bytes(false))
	}
	w.Starface.SetTalking("user.03", true) // whom nobody watches
	w.Starface.SetTalking("user.02", true)
	told("confirmed", "active;expires=", 200)
	if list := w.Starface.Watched(); len(list) != 1 || list["user.02"] != 1 {
		t.Errorf("watched %v", list)
	}
	x.send(subscribe(20, ok.get("To"), mine))
	x.response(500)
	x.send(subscribe(21, ok.get("To"), mine))
	x.response(200)
	told("confirmed", "active;expires=", 200)
	w.Starface.SetTalking("user.02", false)
	told("terminated", "active;expires=", 200)
	x.send(subscribe(22, ok.get("To"), mine, "Expires: 600", "Expires: 0"))
	x.response(200)
	told("terminated", "terminated;reason=timeout", 200)
	x.send(subscribe(23, ok.get("To"), mine))
	x.response(481)

	// Who answers that there is no such subscription is not told again; after a restart nobody is.
	x.send(subscribe(30, to, mine, "watch1", "watch2"))
	x.response(200)
	version = -1
	told("terminated", "active", 481)
	for end := time.Now().Add(time.Minute); len(w.Starface.Watched()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still watched")
		}
	}
	x.send(subscribe(31, to, mine, "watch1", "watch3"))
	again := x.response(200)
	version = -1
	told("terminated", "active", 200)
	w.Starface.ForgetWatchers()
	x.send(subscribe(32, again.get("To"), mine, "watch1", "watch3"))
	x.response(481)
}
