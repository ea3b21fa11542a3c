package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The rules that Teams holds an SBC to. Each returns nil when the message is fine, else the
// response and the reason. The letters in the comments are sections of Microsoft's published demands.

// checkContact: the Contact's host is the name that the SBC was paired with, never an address.
func (t *Teams) checkContact(m *message) *refusal {
	contacts := m.list("Contact")
	if len(contacts) == 0 {
		return &refusal{403, "Forbidden", "headers are missing: Contact"}
	}
	contact := parseAddress(contacts[0]) // of several only the first counts
	switch {
	case contact.uri.scheme == "sips":
		return &refusal{403, "Forbidden", "Contact has a SIPS URI"}
	case contact.uri.host != t.pairing:
		return &refusal{403, "Forbidden", fmt.Sprintf("Contact host %q is not the paired SBC %s", contact.uri.host, t.pairing)}
	case contact.uri.port != int(t.options.SBCPort):
		return &refusal{403, "Forbidden", fmt.Sprintf("Contact port %d is not the SBC's signalling port %d", contact.uri.port, t.options.SBCPort)}
	case contact.uri.params["transport"] != "tls":
		return &refusal{403, "Forbidden", "Contact has no transport=tls"}
	}
	return nil
}

func checkRecordRoute(m *message) *refusal {
	for _, rr := range m.list("Record-Route") {
		if a := parseAddress(rr); a.uri.host != SBCName {
			return &refusal{403, "Forbidden", fmt.Sprintf("Record-Route host %q is not the paired SBC %s", a.uri.host, SBCName)}
		}
	}
	return nil
}

func (t *Teams) checkOptions(m *message, f *flow) *refusal {
	u, from := parseURI(m.uri), parseAddress(m.get("From"))
	switch {
	case u.scheme != "sip":
		return &refusal{400, "Bad Request", "Request-URI is not a sip URI"}
	case u.host != f.hub.site.name && u.host != f.hub.site.region && (u.host != testSite || f.hub.Index != 0):
		return &refusal{404, "Not Found", fmt.Sprintf("Request-URI host %q is not %s", u.host, f.hub.site.name)}
	case from.uri.host != t.pairing:
		return &refusal{403, "Forbidden", fmt.Sprintf("From host %q is not the paired SBC %s", from.uri.host, t.pairing)}
	}
	if r := t.checkContact(m); r != nil {
		return r
	}
	for _, value := range []string{m.get("From"), m.list("Contact")[0]} {
		if a := parseAddress(value); strings.Contains(a.text, "@") {
			return &refusal{400, "Bad Request", fmt.Sprintf("OPTIONS with a user part, or an empty one before the @: %s", a.text)}
		}
	}
	return checkRecordRoute(m)
}

// checkOptionsResponse: the answer to Teams' own OPTIONS makes the SBC active, or not.
func (t *Teams) checkOptionsResponse(m *message) *refusal {
	if m.code != 200 {
		return &refusal{text: fmt.Sprintf("our OPTIONS got %d %s", m.code, m.reason)}
	}
	if r := t.checkContact(m); r != nil {
		return &refusal{text: "200 to our OPTIONS: " + r.text}
	}
	if !m.has("Allow") {
		return &refusal{text: "200 to our OPTIONS: headers are missing: Allow"}
	}
	return nil
}

// checkInvite is for an INVITE outside of dialogs.
func (t *Teams) checkInvite(m *message, f *flow) *refusal {
	u, from := parseURI(m.uri), parseAddress(m.get("From"))
	anonymous := strings.EqualFold(from.uri.user, "anonymous")
	switch {
	case time.Since(f.hub.seen) > healthy:
		return &refusal{403, "Forbidden", fmt.Sprintf("no OPTIONS from the SBC at %s within %v", f.hub.Name, healthy)}
	case u.scheme != "sip":
		return &refusal{400, "Bad Request", "Request-URI is not a sip URI"}
	case u.host != f.hub.site.name:
		return &refusal{404, "Not Found", fmt.Sprintf("Request-URI host %q is not %s", u.host, f.hub.site.name)}
	case !globalNumber(u.user):
		return &refusal{404, "Not Found", fmt.Sprintf("Request-URI user %q is not +E.164", u.user)}
	case from.uri.scheme == "sips":
		return &refusal{400, "Bad Request", "From has a SIPS URI"}
	case !anonymous && !globalNumber(from.uri.user):
		return &refusal{400, "Bad Request", fmt.Sprintf("From user %q is not +E.164", from.uri.user)}
	case !anonymous && from.uri.host != t.pairing:
		return &refusal{403, "Forbidden", fmt.Sprintf("From host %q is not the paired SBC %s", from.uri.host, t.pairing)}
	case m.has("Replaces"):
		return &refusal{400, "Bad Request", "a Replaces header is not accepted"}
	}
	if r := t.checkContact(m); r != nil {
		return r
	}
	if r := checkRecordRoute(m); r != nil {
		return r
	}
	if r := checkSupport(m); r != nil {
		return r
	}
	return checkOffer(m)
}

func checkSupport(m *message) *refusal {
	for _, option := range m.list("Require") {
		if !strings.EqualFold(option, "timer") {
			return &refusal{420, "Bad Extension", "Require: " + option + " is not supported"}
		}
	}
	return nil
}

// checkOffer is for every INVITE, first or not.
func checkOffer(m *message) *refusal {
	unacceptable := func(format string, args ...any) *refusal {
		return &refusal{488, "Not Acceptable Here", fmt.Sprintf(format, args...)}
	}
	if len(m.body) == 0 {
		return unacceptable("INVITE without SDP: delayed offer is not supported")
	}
	s, err := parseSession(m.body)
	if err != nil {
		return unacceptable("%v", err)
	}
	switch {
	case s.proto != "RTP/SAVP":
		return unacceptable("media profile %s instead of RTP/SAVP", s.proto)
	case s.line80() == nil:
		return unacceptable("no crypto line with %s", suite80)
	case !slices.ContainsFunc(s.payloads, func(pt int) bool { return pt == 8 || pt == 0 }):
		return unacceptable("no codec in common")
	case s.ice:
		return unacceptable("ICE without media bypass")
	}
	return checkSession(s)
}

// checkSession is what holds for offers and answers.
func checkSession(s *session) *refusal {
	unacceptable := func(format string, args ...any) *refusal {
		return &refusal{488, "Not Acceptable Here", fmt.Sprintf(format, args...)}
	}
	switch line := s.line80(); {
	case s.addr.IsUnspecified():
		return unacceptable("c=0.0.0.0 is not supported, use inactive")
	case s.direction == "sendonly" || s.direction == "recvonly":
		return unacceptable("a=%s is not understood, use inactive", s.direction)
	case line != nil && len(line.key) != 30:
		return unacceptable("the key of crypto line %d has %d octets instead of 30", line.tag, len(line.key))
	case line != nil && line.lifetime != "2^31":
		return unacceptable("crypto line %d has lifetime %q instead of 2^31", line.tag, line.lifetime)
	}
	return nil
}

// checkDialog is for a request inside a dialog.
func (t *Teams) checkDialog(m *message, f *flow, c *Call) *refusal {
	switch m.method {
	case "INVITE", "ACK", "BYE", "OPTIONS", "NOTIFY", "CANCEL":
	default:
		return &refusal{405, "Method Not Allowed", m.method + " is not in our Allow"}
	}
	if !f.accepted {
		return &refusal{403, "Forbidden", "a request on a connection that Teams opened: open your own"}
	}
	if m.uri != c.contact {
		return &refusal{481, "Call/Transaction Does Not Exist", fmt.Sprintf("Request-URI %s is not our Contact, byte for byte: %s", m.uri, c.contact)}
	}
	route := m.list("Route")
	if want := c.Hub.recordRoute(); len(route) != 1 || route[0] != want {
		return &refusal{481, "Call/Transaction Does Not Exist", fmt.Sprintf("Route %q is not our Record-Route %s", strings.Join(route, ", "), want)}
	}
	if f.hub != c.Hub {
		return &refusal{481, "Call/Transaction Does Not Exist", fmt.Sprintf("came to %s, but Record-Route names %s", f.hub.Name, c.Hub.site.region)}
	}
	if m.method == "INVITE" {
		if r := t.checkContact(m); r != nil {
			return r
		}
		if r := checkSupport(m); r != nil {
			return r
		}
		return checkOffer(m)
	}
	return nil
}

// globalNumber: +, then 3 to 15 digits.
func globalNumber(user string) bool {
	digits, ok := strings.CutPrefix(user, "+")
	if !ok || len(digits) < 3 || len(digits) > 15 {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}
