package call

import (
	"time"

	"viaduct/appliance/digits"
	"viaduct/appliance/media"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// digit answers an INFO of leg x. A digit in it goes to y in the form that y takes; other contents are ignored.
func (c *call) digit(x, y *side, e sipgw.Info) {
	kind := digits.Kind(e.ContentType)
	event, length, ok := digits.Read(kind, string(e.Body))
	switch {
	case len(e.Body) == 0:
		x.Leg.Respond(e.ID, 200, "OK", nil) // some use it to see whether the dialog is alive
		return
	case kind != digits.Relay && kind != digits.Bare:
		x.Leg.Respond(e.ID, 415, "Unsupported Media Type", nil, sipmsg.Header{Name: "Accept", Value: digits.Relay + ", " + digits.Bare})
		return
	case !ok:
		x.Leg.Respond(e.ID, 400, "Not a digit", nil)
		return
	}
	x.Leg.Respond(e.ID, 200, "OK", nil)
	if c.signals(y) {
		signal(y, event, length)
		return
	}
	session, which := c.relay(y)
	if err := session.Press(which, event, length); err != nil {
		c.log.Warn("digit not passed on", "leg", y.Which.String(), "err", err)
	}
}

// pressed sends y a digit that the other peer sent as a telephone-event, if y takes digits in SIP INFO.
func (c *call) pressed(y *side, e media.Event) {
	if c.signals(y) {
		signal(y, e.Digit, e.Length)
	}
}

// signals reports whether a side's peer can be sent digits in SIP INFO, and takes them so.
func (c *call) signals(y *side) bool {
	return y.Leg != nil && c.up(y) && y.Digits() == status.DigitsInfo && (c.joined == nil || c.joined.x != y)
}

// signal sends a digit in SIP INFO.
func signal(s *side, event uint8, length time.Duration) {
	s.Leg.Request("INFO", digits.Relay, digits.Write(event, length))
}
