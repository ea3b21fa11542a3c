package diag

import (
	"fmt"
	"strings"
	"testing"
)

func shownOf(list []waiting) (texts []string) {
	for _, w := range list {
		texts = append(texts, w.text)
	}
	return texts
}

// A call is shown whole, from its first message on, although only its second line names the peer.
func TestACallIsShownFromItsFirstMessage(t *testing.T) {
	f := newFilter("if_pbx")
	steps := []struct {
		topic, text string
		keys        []string
		want        string
	}{
		{TopicSIP, "INVITE a", []string{"cid-a"}, ""},
		{TopicSIP, "INVITE of another call", []string{"cid-x"}, ""},
		{TopicCall, "call call=17 if=if_pbx", []string{"17"}, "call call=17 if=if_pbx"},
		{TopicCall, "leg call=17 if=if_pbx call_id=cid-a", []string{"17", "cid-a"}, "INVITE a|leg call=17 if=if_pbx call_id=cid-a"},
		{TopicSIP, "INVITE b", []string{"cid-b"}, ""},
		{TopicCall, "leg call=17 if=if_teams call_id=cid-b", []string{"17", "cid-b"}, "INVITE b|leg call=17 if=if_teams call_id=cid-b"},
		{TopicRoute, "route call=17 name=T", []string{"17"}, "route call=17 name=T"},
		{TopicSIP, "180 b", []string{"cid-b"}, "180 b"},
		{TopicCall, "call call=18 if=if_pbx_2", []string{"18"}, ""},
		{TopicSIP, "OPTIONS without Call-ID", nil, ""},
	}
	for _, s := range steps {
		if got := strings.Join(shownOf(f.takes(s.topic, s.text, s.keys...)), "|"); got != s.want {
			t.Errorf("%s: shown %q, want %q", s.text, got, s.want)
		}
	}
}

func TestTheEndOfANumberIsEnough(t *testing.T) {
	f := newFilter("30123")
	for text, want := range map[string]bool{"to=sip:+4930123@pbx": true, "to=sip:30123;phone-context=x": true, "to=sip:+49301234@pbx": false, "30123": true, "301230123": true} {
		if got := f.names(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestFiltersHaveABound(t *testing.T) {
	f := newFilter("if_pbx")
	for n := range 5 * filterKeys {
		f.takes(TopicSIP, "INVITE", fmt.Sprint("stranger", n))
		f.takes(TopicCall, "call if=if_pbx", fmt.Sprint("call", n))
	}
	if len(f.waiting) > filterWaiting || len(f.keys) > filterKeys || len(f.order) > filterKeys {
		t.Errorf("%d waiting, %d keys in a list of %d", len(f.waiting), len(f.keys), len(f.order))
	}
	if len(f.takes(TopicSIP, "BYE", fmt.Sprint("call", 5*filterKeys-1))) != 1 {
		t.Error("the latest call is forgotten")
	}
}

// The messages of a session that ends, or that wants no more, cost nothing.
func TestDebuggedCallsEndWithTheSession(t *testing.T) {
	var s Sessions
	x := &session{debug: map[string]bool{}, lines: make(chan line, 10)}
	x.TTY = "serial"
	s.add(x)
	if err := s.DebugCalls("nowhere", "30123"); err == nil {
		t.Error("no error for a terminal without a session")
	}
	for _, text := range []string{"30123", "30124", ""} {
		if err := s.DebugCalls("serial", text); err != nil || s.wanted(TopicSIP) != (text != "") || s.topic[0].Load() > 1 {
			t.Errorf("%q: %v, wanted %v, %d", text, err, s.wanted(TopicSIP), s.topic[0].Load())
		}
	}
	s.DebugCalls("serial", "30123")
	s.emit(TopicCall, "call to=sip:30123@x", "17")
	s.emit(TopicRTP, "call 17", "17")
	if len(x.lines) != 1 {
		t.Errorf("%d lines", len(x.lines))
	}
	s.Debug("serial", "all", false)
	if s.wanted(TopicCall) || x.filter != nil {
		t.Error("no debug all leaves it on")
	}
	s.DebugCalls("serial", "30123")
	if s.remove(x); s.wanted(TopicCall) {
		t.Error("the end of the session leaves it on")
	}
}
