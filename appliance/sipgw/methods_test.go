package sipgw

import (
	"strings"
	"testing"

	"viaduct/appliance/config"

	"github.com/emiago/sipgo/sip"
)

// outsideText is a request of the peer outside dialogs.
func outsideText(method string) string {
	return method + " sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.100:5060;branch=z9hG4bK" + method + ";rport\nMax-Forwards: 70\n" +
		"From: <sip:192.0.2.100>;tag=t\nTo: <sip:192.0.2.1>\nCall-ID: " + method + "\nCSeq: 1 " + method + "\nContent-Length: 0\n\n"
}

// One declaration a method: what Allow names, what nobody handles, what is not understood.
func TestMethodsOutsideDialogs(t *testing.T) {
	for method, want := range map[string]string{
		"BYE": "481", "INFO": "481", "UPDATE": "481", "PRACK": "481", "REFER": "403", "SUBSCRIBE": "489", "PUBLISH": "489", "REGISTER": "405", "MESSAGE": "405",
		"OPTIONS": "200", "NOTIFY": "200", "NONSENSE": "501",
	} {
		t.Run(method, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				b.put(outsideText(method))
				m := b.one("SIP/2.0 " + want)
				if allow := field(m, "Allow"); want == "405" && allow != "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, PRACK" {
					t.Errorf("Allow: %s", allow)
				}
				if events := field(m, "Allow-Events"); want == "489" && events != "refer" {
					t.Errorf("Allow-Events: %s", events)
				}
			})
		})
	}
}

func TestAllowIsWhatTheInterfaceIsOffered(t *testing.T) {
	m := newMethods()
	teams := &config.SIPInterface{Remote: config.HostPort{Host: "sip.pstnhub.microsoft.com"}, TransferAccept: true}
	if got := m.allow(teams); got != "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, REFER" {
		t.Errorf("Teams: %s", got)
	}
	if got := m.allow(nil); got != "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, NOTIFY, PRACK" {
		t.Errorf("nobody: %s", got)
	}
}

// A subscription has a dialog without a call: what is said in it goes to who handles the method, and only a call's own dialog to its leg.
func TestEventsInDialogsOfNoCall(t *testing.T) {
	for method, want := range map[string]string{"NOTIFY": "handled", "SUBSCRIBE": "handled", "PUBLISH": "SIP/2.0 481 ", "INFO": "SIP/2.0 481 "} {
		t.Run(method, func(t *testing.T) {
			onPaper(t, nil, func(t *testing.T, b *bench) {
				var got []string
				for _, m := range []sip.RequestMethod{sip.NOTIFY, sip.SUBSCRIBE, sip.PUBLISH} {
					b.s.Handle(m, func(r *ServerRequest) {
						id, tag := r.Names()
						got = append(got, "handled", id, tag)
						r.Respond(200)
					})
				}
				b.put(strings.Replace(outsideText(method), "To: <sip:192.0.2.1>", "To: <sip:192.0.2.1>;tag=ours", 1))
				m := b.one("SIP/2.0 ")
				if want != "handled" {
					if len(got) > 0 || !strings.HasPrefix(m, want) {
						t.Errorf("%v, %s", got, m)
					}
					return
				}
				if strings.Join(got, " ") != "handled "+method+" ours" || tagOf(field(m, "To")) != "ours" {
					t.Errorf("%v, %s", got, m)
				}
			})
		})
	}
}

// Teams has no use for events.
func TestEventsAreNotOfferedToTeams(t *testing.T) {
	m := newMethods()
	for _, name := range []sip.RequestMethod{sip.SUBSCRIBE, sip.PUBLISH} {
		m.find(name).handler = func(*ServerRequest) {}
	}
	if got := m.allow(&config.SIPInterface{Remote: config.HostPort{Host: "sip.pstnhub.microsoft.com"}}); strings.Contains(got, "SUBSCRIBE") || strings.Contains(got, "PUBLISH") {
		t.Errorf("Teams: %s", got)
	}
	if got := m.allow(nil); !strings.HasSuffix(got, ", SUBSCRIBE, PUBLISH") {
		t.Errorf("others: %s", got)
	}
}

// A method gets its owner from outside, and is offered from then on.
func TestHandledMethods(t *testing.T) {
	onPaper(t, nil, func(t *testing.T, b *bench) {
		var waiting *ServerRequest
		b.s.Handle(sip.PUBLISH, func(r *ServerRequest) { waiting = r })
		b.put(outsideText("PUBLISH"))
		if list := b.sent(); len(list) != 0 || waiting == nil || waiting.Interface.Name != "pbx" || waiting.CallID != "PUBLISH" {
			t.Fatalf("sent %q, handed over %+v", list, waiting)
		}
		b.put(outsideText("PUBLISH")) // again: it is the same request
		waiting.Respond(200)
		b.one("SIP/2.0 200 ")
		b.put(outsideText("PUBLISH"))
		b.one("SIP/2.0 200 ")
		b.put(outsideText("OPTIONS"))
		if allow := field(b.one("SIP/2.0 200 "), "Allow"); !strings.HasSuffix(allow, ", PUBLISH") {
			t.Errorf("Allow: %s", allow)
		}
	})
}
