package call

import (
	"strings"
	"time"

	"viaduct/appliance/digits"
	"viaduct/appliance/media"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// digits says how digits go to the peer of a side. The profile decides (dtmf-relay). Otherwise they go as events, the only form that
// Teams takes (teams.md A.41). A peer whose description has no events gets SIP INFO if its Allow header names it, for example an
// endpoint of Asterisk with dtmf_mode=info.
func (s *side) digits() status.Digits {
	switch {
	case s.profile != nil && s.profile.DTMFRelay == "signaling":
		return status.DigitsInfo
	case s.Choice() == nil:
	case s.Choice().DTMF != nil:
		return status.DigitsEvents
	case s.informs && s.profile.DTMFRelay != "rtp" && !s.iface.Teams():
		return status.DigitsInfo
	}
	return status.DigitsNone
}

// noteAllow notes the methods in a peer's Allow header.
func (s *side) noteAllow(headers func(string) []string) {
	s.refers, s.informs = allows(headers, "REFER"), allows(headers, "INFO")
}

// allows reports whether a message's Allow header names a method.
func allows(headers func(string) []string, method string) bool {
	for _, v := range headers("Allow") {
		for m := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(m), method) {
				return true
			}
		}
	}
	return false
}

// digit answers an INFO of leg x. A digit in it goes to y in the form that y takes; other contents are ignored.
func (c *call) digit(x, y *side, e sipgw.Info) {
	kind := digits.Kind(e.ContentType)
	event, length, ok := digits.Read(kind, string(e.Body))
	switch {
	case len(e.Body) == 0:
		x.leg.Respond(e.ID, 200, "OK", nil) // some use it to see whether the dialog is alive
		return
	case kind != digits.Relay && kind != digits.Bare:
		x.leg.Respond(e.ID, 415, "Unsupported Media Type", nil, sipmsg.Header{Name: "Accept", Value: digits.Relay + ", " + digits.Bare})
		return
	case !ok:
		x.leg.Respond(e.ID, 400, "Not a digit", nil)
		return
	}
	x.leg.Respond(e.ID, 200, "OK", nil)
	if c.signals(y) {
		y.signal(event, length)
		return
	}
	session, which := c.relay(y)
	if err := session.Press(which, event, length); err != nil {
		c.log.Warn("digit not passed on", "leg", y.which.String(), "err", err)
	}
}

// pressed sends y a digit that the other peer sent as a telephone-event, if y takes digits in SIP INFO.
func (c *call) pressed(y *side, e media.Event) {
	if c.signals(y) {
		y.signal(e.Digit, e.Length)
	}
}

// signals reports whether a side's peer can be sent digits in SIP INFO, and takes them so.
func (c *call) signals(y *side) bool {
	return y.leg != nil && c.up(y) && y.digits() == status.DigitsInfo && (c.joined == nil || c.joined.x != y)
}

// signal sends a digit in SIP INFO.
func (s *side) signal(event uint8, length time.Duration) {
	s.leg.Request("INFO", digits.Relay, digits.Write(event, length))
}
