package digits

import (
	"testing"
	"time"
)

// What phones write in INFO: Cisco's application/dtmf-relay and the bare application/dtmf.
func TestDigitsInINFO(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		event      uint8
		length     time.Duration
		ok         bool
	}{
		{Relay, "Signal=5\r\nDuration=250\r\n", 5, 250 * time.Millisecond, true},
		{Relay, "signal = *\nduration = 80", 10, 80 * time.Millisecond, true},
		{Relay, "Duration=100\r\nSignal= #", 11, 100 * time.Millisecond, true},
		{Relay, "Signal=d\r\n", 15, Usual, true},
		{Relay, "Signal=16\r\nDuration=0", 16, Usual, true},
		{Relay, "Signal=11\r\nDuration=99999999", 11, Usual, true},
		{Relay, "5", 0, 0, false},
		{Relay, "Signal=\r\n", 0, 0, false},
		{Relay, "Signal=17", 0, 0, false},
		{Relay, "Signal=-1", 0, 0, false},
		{Bare, "9\r\n", 9, Usual, true},
		{Bare, "", 0, 0, false},
		{Bare, "12345", 0, 0, false},
	} {
		event, length, ok := Read(c.kind, c.body)
		if ok != c.ok || ok && (event != c.event || length != c.length) {
			t.Errorf("%s %q: %d %v %v", c.kind, c.body, event, length, ok)
		}
	}
}

func FuzzDigitsInINFO(f *testing.F) {
	f.Add(true, "Signal=5\r\nDuration=250\r\n")
	f.Add(false, "#")
	f.Fuzz(func(t *testing.T, relay bool, body string) {
		kind := Bare
		if relay {
			kind = Relay
		}
		if event, length, ok := Read(kind, body); ok && (event > 16 || length <= 0 || length > 66*time.Second) {
			t.Errorf("%q: %d for %v", body, event, length)
		} else if again, same, _ := Read(Relay, string(Write(event, length))); ok && (again != event || same != length) {
			t.Errorf("%q: %d for %v, written and read %d for %v", body, event, length, again, same)
		}
	})
}
