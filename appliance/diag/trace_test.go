package diag

import (
	"strings"
	"testing"

	"viaduct/appliance/siptransport"
)

var invite = siptransport.TraceEntry{Gateway: "gw", Message: []byte("INVITE sip:+4930123@a SIP/2.0\r\nCall-ID: of-a-call\r\n" +
	"Authorization: Digest nonce=\"SECRET\", response=SECRET\r\n" + strings.Repeat("Via: SIP/2.0/TLS 52.114.75.24:5061;branch=z9hG4bK12345678\r\n", 20) +
	"\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRET|2^31\r\n")}

// A message that waited until its call was known to be the one that is debugged is shown without its secrets, as any other.
func TestAMessageThatWaitedHasNoSecrets(t *testing.T) {
	var s Sessions
	x := &session{debug: map[string]bool{}, lines: make(chan line, 10)}
	x.TTY = "serial"
	s.add(x)
	if err := s.DebugCalls("serial", "if_pbx"); err != nil {
		t.Fatal(err)
	}
	s.Trace(invite)
	s.emit(TopicCall, "leg if=if_pbx", "17", "of-a-call")
	s.Trace(invite)
	for _, want := range []string{"inline:***", "leg if=if_pbx", "inline:***"} {
		if got := (<-x.lines).String(); !strings.Contains(got, want) || strings.Contains(got, "SECRET") {
			t.Errorf("shown %q, want %q", got, want)
		}
	}
}

// What `debug call` of one number costs a message of all the other calls, on the goroutine that has read it.
func BenchmarkMessageOfAnotherCall(b *testing.B) {
	var s Sessions
	x := &session{debug: map[string]bool{}, lines: make(chan line, 10)}
	x.TTY = "serial"
	s.add(x)
	if err := s.DebugCalls("serial", "999"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Trace(invite)
	}
}
