// Package digits is the form of DTMF digits in SIP INFO: Cisco's application/dtmf-relay, and the bare application/dtmf.
//
// It owns how such a body is read and written. It does not own in which form a peer takes digits (package call), nor telephone-events (package
// media). It has no state and no goroutines.
package digits

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Media types of a body. Relay is what the box writes.
const (
	Relay = "application/dtmf-relay"
	Bare  = "application/dtmf"
)

// Usual is the length of a digit that comes without one.
const Usual = 160 * time.Millisecond

// names are the digits in the order of their telephone-events (RFC 4733 3.2).
const names = "0123456789*#ABCD"

// Write writes a digit, given by its telephone-event.
func Write(event uint8, length time.Duration) []byte {
	signal := strconv.Itoa(int(event)) // 16: the hook flash
	if int(event) < len(names) {
		signal = names[event : event+1]
	}
	return fmt.Appendf(nil, "Signal=%s\r\nDuration=%d\r\n", signal, length.Milliseconds())
}

// Kind is the media type that a Content-Type names, in lower case.
func Kind(contentType string) string {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	return strings.TrimSpace(kind)
}

// Read reads a body of a kind: "Signal=5" and "Duration=160" (milliseconds) on lines of their own, or the digit alone.
func Read(kind, body string) (event uint8, length time.Duration, ok bool) {
	signal := strings.TrimSpace(body)
	length = Usual
	if kind == Relay {
		signal = ""
		for line := range strings.Lines(body) {
			name, value, _ := strings.Cut(line, "=")
			switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(name)) {
			case "signal":
				signal = value
			case "duration":
				if ms, err := strconv.ParseUint(value, 10, 16); err == nil && ms > 0 {
					length = time.Duration(ms) * time.Millisecond
				}
			}
		}
	}
	if n := strings.Index(names, strings.ToUpper(signal)); len(signal) == 1 && n >= 0 {
		return uint8(n), length, true
	}
	if n, err := strconv.ParseUint(signal, 10, 8); err == nil && n <= 16 { // by number, 16 is flash
		return uint8(n), length, true
	}
	return 0, 0, false
}
