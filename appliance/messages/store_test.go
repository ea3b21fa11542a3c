package messages

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/status"
)

// kept reports whether anything is kept under a Call-ID.
func kept(s *Store, callID string) bool {
	d, _ := s.Dialog(callID)
	return len(d.Messages) > 0
}

// call traces a call of two legs up to its end, and tells of that.
func call(s *Store, n int, failed bool) (callIDs []string) {
	a, b := fmt.Sprintf("a%d@pbx", n), fmt.Sprintf("b%d@box", n)
	s.Trace(entry(false, text("INVITE sip:x SIP/2.0", "1 INVITE", a, 800)))
	s.Began(a)
	s.Trace(entry(true, text("INVITE sip:x SIP/2.0", "1 INVITE", b, 1200)))
	code := "200 OK"
	if failed {
		code = "503 Service Unavailable"
	}
	s.Trace(entry(false, text("SIP/2.0 "+code, "1 INVITE", b, 900)))
	s.Trace(entry(true, text("SIP/2.0 "+code, "1 INVITE", a, 700)))
	s.Trace(entry(true, text("BYE sip:x SIP/2.0", "2 BYE", b, 500)))
	s.Trace(entry(false, text("BYE sip:x SIP/2.0", "2 BYE", a, 500)))
	s.Ended(failed, a, b)
	return []string{a, b}
}

func TestTheLastCallsAreKeptAndFailedOnesLongest(t *testing.T) {
	s := New()
	const calls = 3000
	for n := range calls {
		call(s, n, n < 500 && n%2 == 0) // 250 fail at the beginning
	}
	for n := range calls {
		failed := n < 500 && n%2 == 0
		want := failed && n >= 100 || !failed && n >= calls-800
		for _, leg := range []string{fmt.Sprintf("a%d@pbx", n), fmt.Sprintf("b%d@box", n)} {
			if kept(s, leg) != want {
				t.Fatalf("messages of %s of %d calls are kept: %t, want %t", leg, calls, !want, want)
			}
		}
	}
}

// Whoever sends INVITEs that become no calls sheds his own.
func TestAFloodShedsNothingElse(t *testing.T) {
	s := New()
	for n := range 1000 {
		call(s, n, n < 200)
	}
	a := "in-progress@pbx"
	s.Trace(entry(false, text("INVITE sip:x SIP/2.0", "1 INVITE", a, 800)))
	s.Began(a)
	for n := range 100_000 {
		id := fmt.Sprintf("flood-%d@stranger", n)
		s.Trace(entry(false, text("INVITE sip:x SIP/2.0", "1 INVITE", id, 2000)))
		s.Trace(entry(true, text("SIP/2.0 503 Service Unavailable", "1 INVITE", id, 400)))
	}
	for n := range 1000 {
		if !kept(s, fmt.Sprintf("a%d@pbx", n)) {
			t.Fatalf("call %d was shed for a flood", n)
		}
	}
	if !kept(s, a) || !kept(s, "flood-99999@stranger") {
		t.Error("the call in progress or the last INVITE of the flood was shed")
	}
	if n := s.lists[stray].length; n > 1024 || s.lists[stray].blocks > s.limits.blocks/8 {
		t.Errorf("the flood has %d dialogs and %d blocks", n, s.lists[stray].blocks)
	}
}

// A dialog whose messages were shed while its call went on says how many they were.
func TestALiveCallSaysWhatWasShed(t *testing.T) {
	s := New()
	s.Trace(entry(true, text("INVITE sip:x SIP/2.0", "1 INVITE", "first@box", 800)))
	s.Trace(entry(false, text("SIP/2.0 200 OK", "1 INVITE", "first@box", 800)))
	for n := range 5000 {
		s.Trace(entry(true, text("INVITE sip:x SIP/2.0", "1 INVITE", fmt.Sprintf("%d@box", n), 6000)))
	}
	if d, known := s.Dialog("first@box"); !known || d.Shed != 2 || len(d.Messages) != 0 {
		t.Errorf("it has %+v, known %t", d, known)
	}
	s.Trace(entry(true, text("BYE sip:x SIP/2.0", "2 BYE", "first@box", 500)))
	if d, _ := s.Dialog("first@box"); d.Shed != 2 || len(d.Messages) != 1 || !strings.HasPrefix(string(d.Messages[0].Text), "BYE") {
		t.Errorf("it goes on as %+v", d)
	}
}

// Nothing but dialogs of INVITE is kept.
func TestOtherRequestsAreNotKept(t *testing.T) {
	s := New()
	for _, method := range []string{"OPTIONS", "REGISTER", "NOTIFY", "BYE", "SUBSCRIBE", "ACK"} {
		s.Trace(entry(false, text(method+" sip:x SIP/2.0", "1 "+method, method, 400)))
		s.Trace(entry(true, text("SIP/2.0 200 OK", "1 "+method, method, 400)))
		if kept(s, method) {
			t.Errorf("%s outside of a call is kept", method)
		}
	}
	dropped := entry(false, text("INVITE sip:x SIP/2.0", "1 INVITE", "stranger", 400))
	dropped.Dropped = "not trusted"
	if s.Trace(dropped); kept(s, "stranger") {
		t.Error("an INVITE of a stranger is kept")
	}
}

func TestALongMessageIsCut(t *testing.T) {
	s := New()
	s.Trace(entry(false, text("INVITE sip:x SIP/2.0", "1 INVITE", "long", 60_000)))
	d, _ := s.Dialog("long")
	if m := d.Messages[0]; m.Size != 60_000 || len(m.Text) != 16<<10 {
		t.Errorf("of %d octets %d are kept", m.Size, len(m.Text))
	}
}

func TestNothingIsAllocatedForAMessage(t *testing.T) {
	s := New()
	n := 0
	messages := make([][]byte, 3000)
	for i := range messages {
		messages[i] = text("INVITE sip:x SIP/2.0", "1 INVITE", fmt.Sprintf("%d@box", i), 5000)
	}
	if a := testing.AllocsPerRun(len(messages)-1, func() {
		s.Trace(entry(true, messages[n]))
		s.Trace(entry(false, messages[n]))
		n++
	}); a > 0 {
		t.Errorf("a message costs %v allocations", a)
	}
}

// The clock may be set back during a call, and two messages may have one time.
func TestMessagesStandInTheOrderInWhichTheyCame(t *testing.T) {
	s := New()
	for n, m := range []struct{ start, callID string }{{"INVITE sip:x SIP/2.0", "a"}, {"INVITE sip:x SIP/2.0", "b"}, {"SIP/2.0 180 Ringing", "b"}, {"SIP/2.0 180 Ringing", "a"}} {
		e := entry(n%2 == 0, text(m.start, "1 INVITE", m.callID, 300))
		if e.Time = time.Unix(100, 0); n > 1 {
			e.Time = time.Unix(50, 0)
		}
		s.Trace(e)
	}
	c := status.CallTrace{Legs: []status.TraceLeg{{CallID: "a"}, {CallID: "b"}, {CallID: "c"}}}
	s.Fill(&c)
	var order []int
	for _, m := range c.Messages {
		order = append(order, m.Leg)
	}
	if !slices.Equal(order, []int{0, 1, 1, 0}) {
		t.Errorf("the messages are of the legs %d", order)
	}
	if !c.Legs[0].Kept || c.Legs[2].Kept {
		t.Errorf("the legs are %+v", c.Legs)
	}
}
