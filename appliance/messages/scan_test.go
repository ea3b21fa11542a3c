package messages

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"viaduct/appliance/sipmsg"
)

func TestWhatIsReadOfAMessage(t *testing.T) {
	for message, want := range map[string]struct {
		callID string
		line   Line
	}{
		"INVITE sip:a@b SIP/2.0\r\nVia: x\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\n": {"1@h", Line{Method: "INVITE", SDP: true}},
		"SIP/2.0 486 Busy Here\r\nVia: x\r\nCSeq: 1 INVITE\r\nCALL-id : 1@h \r\n\r\n":       {"1@h", Line{Method: "INVITE", Code: 486, Reason: "Busy Here"}},
		"SIP/2.0 200 \r\ni: 2\r\nc: application/sdp\r\nCSeq:\r\n 7\t BYE\r\n\r\n":           {"2", Line{Method: "BYE", Code: 200}},
		"BYE sip:a SIP/2.0\r\nCall-ID:\r\n\tfolded@h\r\n\r\n":                               {"folded@h", Line{Method: "BYE"}},
		"INVITE sip:a SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nCall-ID: body\r\n":                   {"", Line{Method: "INVITE"}},
		"INVITE sip:a SIP/2.0\r\nCall-ID: one\r\nCall-ID: two\r\n\r\n--x\r\n\r\nv=0\r\n":    {"one", Line{Method: "INVITE", SDP: true}},
		"SIP/2.0 4x6 Busy\r\nCall-ID: 1\r\n\r\n":                                            {"", Line{}},
		"SIP/2.0 2":                                                                         {"", Line{}},
		"":                                                                                  {"", Line{}},
		"ACK sip:a SIP/2.0\nCall-ID: lines@h\n\n":                                           {"lines@h", Line{Method: "ACK"}},
		"INVITE sip:a SIP/2.0\r\nContact: <sip:a>\r\nContent-Type: x\r\nInfo-Package: y\r\nCall-ID: 4\r\n": {"4", Line{Method: "INVITE"}},
	} {
		if got := string(scan([]byte(message)).callID); got != want.callID {
			t.Errorf("Call-ID of %q is %q, want %q", message, got, want.callID)
		}
		if got := Read([]byte(message)); got != want.line {
			t.Errorf("%q is read as %+v, want %+v", message, got, want.line)
		}
	}
}

// What sipmsg takes, this reads the same way; what nobody takes harms nothing.
func FuzzRead(f *testing.F) {
	f.Add("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n")
	f.Add("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\nt: <sip:c@d>;tag=2\r\ni:\r\n 1@h\r\nCSeq: 1 BYE\r\nl: 0\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		line := Read([]byte(text))
		if line.Code < 0 || line.Code > 999 || strings.ContainsAny(line.Method, " \n") {
			t.Errorf("%q is read as %+v", text, line)
		}
		s := newStore(limits{blocks: 64, messages: 16, dialogs: 4, calls: 2, failed: 1, longest: 4, widest: 32, opening: 1, message: 1024})
		s.Trace(entry(false, []byte(text)))
		head, body, fault := sipmsg.FrameDatagram([]byte(text))
		if fault.Err != nil {
			return
		}
		p := sipmsg.Parse(head, body, fault, there)
		switch {
		case p.Request != nil && p.Fault == nil && p.Request.Check(func(sip.RequestMethod) bool { return true }) == nil:
			same(t, text, string(p.Request.Method), p.Request.CallID)
		case p.Response != nil && p.Response.Check():
			same(t, text, string(p.Response.SeqMethod), p.Response.CallID)
		}
	})
}

func same(t *testing.T, message, method, callID string) {
	t.Helper()
	if s := scan([]byte(message)); string(s.callID) != callID || !strings.EqualFold(string(s.method), method) {
		t.Errorf("%q has Call-ID %q and method %q, sipmsg reads %q and %q", message, s.callID, s.method, callID, method)
	}
}
