package diag

import (
	"context"
	"log/slog"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// attend keeps a session on a terminal and returns what it is shown.
func attend(t *testing.T, s *Sessions, tty string) <-chan string {
	t.Helper()
	shown := make(chan string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Attend(ctx, status.Session{User: "anna", TTY: tty, Since: time.Now()}, func(text string) error {
			shown <- text
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	for until := time.Now().Add(time.Minute); len(s.List()) == 0 || s.List()[len(s.List())-1].TTY != tty; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the session does not appear")
		}
	}
	return shown
}

func TestDebugReachesTheSessionThatAsked(t *testing.T) {
	s := &Sessions{Log: slog.New(slog.DiscardHandler), Welcome: func() []string { return nil }}
	one, other := attend(t, s, "serial"), attend(t, s, "ssh 1")
	if err := s.Debug("nowhere", "sip", true); err == nil {
		t.Error("a terminal without a session debugs")
	}
	if err := s.Debug("nowhere", "all", false); err != nil {
		t.Errorf("a script that tidies up: %v", err)
	}
	calls, sip := s.Logger(TopicCall, TopicRoute), s.Logger(TopicSIP, TopicTLS)
	calls.Info("not asked for")
	for _, topic := range []string{"call", "route", "sip"} {
		if err := s.Debug("serial", topic, true); err != nil {
			t.Fatal(err)
		}
	}
	calls.With("call", "17").Debug("calling", "if", "x")
	calls.Debug("route", "topic", "route", "name", "table T")
	calls.Debug("calling", "to", "x\n12:00 call: forged\x1b[2J")
	sip.Debug("TLS connection", "topic", "tls") // another topic
	s.Trace(siptransport.TraceEntry{Gateway: "gw", Transport: siptransport.UDP, Remote: netip.MustParseAddrPort("192.0.2.1:5060"),
		Message: []byte("INVITE x\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^31\r\n")})
	for _, want := range []string{
		"call: calling call=17 if=x$", "route: route name=table T$", `call: calling to=x\\x0a12:00 call: forged\\x1b\[2J$`,
		`sip: received from udp 192\.0\.2\.1:5060, gateway gw\nINVITE x\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:\*\*\*\|2\^31$`,
	} {
		if got := <-one; !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("shown %q, want %s", got, want)
		}
	}
	s.Debug("serial", "all", false)
	calls.Info("not any more")
	if len(one)+len(other) > 0 || s.wanted(TopicCall) {
		t.Errorf("shown besides: %d %d", len(one), len(other))
	}
}
