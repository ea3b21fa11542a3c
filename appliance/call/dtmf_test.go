package call

import (
	"testing"
	"time"
)

// What phones write in INFO: Cisco's application/dtmf-relay and the bare application/dtmf.
func TestDigitsInINFO(t *testing.T) {
	const relay, bare = "application/dtmf-relay", "application/dtmf"
	for _, c := range []struct {
		kind, body string
		event      uint8
		length     time.Duration
		ok         bool
	}{
		{relay, "Signal=5\r\nDuration=250\r\n", 5, 250 * time.Millisecond, true},
		{relay, "signal = *\nduration = 80", 10, 80 * time.Millisecond, true},
		{relay, "Duration=100\r\nSignal= #", 11, 100 * time.Millisecond, true},
		{relay, "Signal=d\r\n", 15, usualDigit, true},
		{relay, "Signal=16\r\nDuration=0", 16, usualDigit, true},
		{relay, "Signal=11\r\nDuration=99999999", 11, usualDigit, true},
		{relay, "5", 0, 0, false},
		{relay, "Signal=\r\n", 0, 0, false},
		{relay, "Signal=17", 0, 0, false},
		{relay, "Signal=-1", 0, 0, false},
		{bare, "9\r\n", 9, usualDigit, true},
		{bare, "", 0, 0, false},
		{bare, "12345", 0, 0, false},
	} {
		event, length, ok := digitOf(c.kind, c.body)
		if ok != c.ok || ok && (event != c.event || length != c.length) {
			t.Errorf("%s %q: %d %v %v", c.kind, c.body, event, length, ok)
		}
	}
}

func FuzzDigitsInINFO(f *testing.F) {
	f.Add(true, "Signal=5\r\nDuration=250\r\n")
	f.Add(false, "#")
	f.Fuzz(func(t *testing.T, relay bool, body string) {
		kind := "application/dtmf"
		if relay {
			kind += "-relay"
		}
		if event, length, ok := digitOf(kind, body); ok && (event > 16 || length <= 0 || length > 66*time.Second) {
			t.Errorf("%q: %d for %v", body, event, length)
		}
	})
}
