package call

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/media"
	"viaduct/appliance/sipgw"
)

// usualDigit is how long a digit lasts whose length is not given.
const usualDigit = 160 * time.Millisecond

// digit answers an INFO of leg x. A digit in it is played to y as a telephone-event, the only form that Teams takes (teams.md A.41);
// other contents are nothing to us.
func (c *call) digit(x, y *side, e sipgw.Info) {
	kind, _, _ := strings.Cut(strings.ToLower(e.ContentType), ";")
	event, length, ok := digitOf(strings.TrimSpace(kind), string(e.Body))
	switch {
	case len(e.Body) == 0:
		x.leg.Respond(e.ID, 200, "OK", nil) // some use it to see whether the dialog is alive
		return
	case kind != "application/dtmf-relay" && kind != "application/dtmf":
		x.leg.Respond(e.ID, 415, "Unsupported Media Type", nil, sipgw.Header{Name: "Accept", Value: "application/dtmf-relay, application/dtmf"})
		return
	case !ok:
		x.leg.Respond(e.ID, 400, "Not a digit", nil)
		return
	}
	x.leg.Respond(e.ID, 200, "OK", nil)
	session, which := c.relay(y)
	if err := session.Press(which, event, length); err != nil {
		c.log.Warn("digit not passed on", "leg", y.which.String(), "err", err)
	}
}

// pressed passes on a digit that x's peer sent as a telephone-event, to a peer that takes it in SIP INFO (`dtmf-relay signaling`).
func (c *call) pressed(y *side, e media.Event) {
	const names = "0123456789*#ABCD"
	if y.leg == nil || !y.up || y.profile.DTMFRelay != "signaling" || c.union != nil && c.union.x == y {
		return
	}
	signal := strconv.Itoa(int(e.Digit)) // 16: the hook flash
	if int(e.Digit) < len(names) {
		signal = names[e.Digit : e.Digit+1]
	}
	y.leg.Request("INFO", "application/dtmf-relay", fmt.Appendf(nil, "Signal=%s\r\nDuration=%d\r\n", signal, e.Length.Milliseconds()))
}

// digitOf reads the body of an INFO: "Signal=5" and "Duration=160" (milliseconds) on lines of their own, or the digit alone.
func digitOf(kind, body string) (event uint8, length time.Duration, ok bool) {
	signal := strings.TrimSpace(body)
	length = usualDigit
	if kind == "application/dtmf-relay" {
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
	const events = "0123456789*#ABCD"
	if n := strings.Index(events, strings.ToUpper(signal)); len(signal) == 1 && n >= 0 {
		return uint8(n), length, true
	}
	if n, err := strconv.ParseUint(signal, 10, 8); err == nil && n <= 16 { // by number, 16 is flash
		return uint8(n), length, true
	}
	return 0, 0, false
}
