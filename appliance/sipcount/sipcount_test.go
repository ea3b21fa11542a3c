package sipcount

import (
	"fmt"
	"strings"
	"testing"

	"viaduct/appliance/status"
)

// text is what the counters of a direction hold.
func text(m status.SIPMessages) string {
	var all []string
	for _, c := range append(m.Requests, m.Responses...) {
		all = append(all, fmt.Sprint(c.Of, " ", c.N))
	}
	return strings.Join(append(all, fmt.Sprint("repeated ", m.Repeated)), ", ")
}

func TestMessagesAreToldApart(t *testing.T) {
	var c Counts
	for _, m := range []string{"INVITE", "INVITE", "ACK", "invite", "INVITE2", "XYZZY\x1b[2J", "", "other", "PUBLISH"} {
		c.Request(Received, m)
	}
	for _, code := range []int{100, 199, 200, 204, 299, 302, 399, 486, 499, 500, 599, 600, 603, 699, -1, 0, 99, 700, 1 << 40} {
		c.Response(Received, code)
	}
	c.Repeated(Received)
	for _, m := range []string{"INVITE sip:a@b SIP/2.0\r\n", "BYE sip:a@b SIP/2.0\r\n", "SIP/2.0 486 Busy Here\r\n", "SIP/2.0 488 Not Acceptable Here\r\n", "SIP/2.0 423 Interval Too Brief\r\n",
		"\r\n", "\r\n\r\n", "", "SIP/2.0 ", "SIP/2.0 48"} {
		c.Written([]byte(m))
	}
	f := c.Figures()
	if got, want := text(f.Received), "INVITE 2, ACK 1, PUBLISH 1, other 5, 100 1, 200 1, 302 1, 486 1, 500 1, 600 1, 603 1, 1xx 1, 2xx 2, 3xx 1, 4xx 1, 5xx 1, 6xx 1, repeated 1"; got != want {
		t.Errorf("received\n%s, want\n%s", got, want)
	}
	if got, want := text(f.Sent), "INVITE 1, BYE 1, 486 1, 488 1, 4xx 1, repeated 0"; got != want {
		t.Errorf("sent\n%s, want\n%s", got, want)
	}
}

// Each code that is told apart has its own name, and any other that of its class.
func TestCodesHaveNames(t *testing.T) {
	own := 0
	for code := 100; code < 700; code++ {
		switch name := CodeName(code); name {
		case fmt.Sprint(code):
			own++
		case fmt.Sprint(code/100, "xx"):
		default:
			t.Errorf("%d is counted as %s", code, name)
		}
	}
	if own != len(codes) {
		t.Errorf("%d codes have a name, of %d", own, len(codes))
	}
	for _, code := range []int{-1, 0, 99, 700, 1 << 40} { // nobody counts them
		CodeName(code)
	}
}

// What belongs to no interface counts nowhere, and whatever comes, no counter is made.
func TestCountingTakesNoMemory(t *testing.T) {
	var none *Counts
	c := new(Counts)
	invite, busy := []byte("INVITE sip:+4989123456@sbc.example SIP/2.0\r\n"), []byte("SIP/2.0 486 Busy Here\r\n")
	long := strings.Repeat("X", 1000)
	if n := testing.AllocsPerRun(100, func() {
		for _, c := range []*Counts{none, c} {
			c.Request(Received, long)
			c.Request(Received, "INVITE")
			c.Response(Received, 486)
			c.Repeated(Sent)
			c.Written(invite)
			c.Written(busy)
		}
	}); n != 0 {
		t.Errorf("%g allocations", n)
	}
	if f := none.Figures(); f.Received.Requests != nil || f.Sent.Repeated != 0 {
		t.Errorf("%+v", f)
	}
}

func BenchmarkCount(b *testing.B) {
	c := new(Counts)
	ok := []byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n")
	b.Run("Request", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Request(Received, "OPTIONS")
		}
	})
	b.Run("Response", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Response(Received, 200)
		}
	})
	b.Run("Written", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Written(ok)
		}
	})
}
