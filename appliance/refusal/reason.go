package refusal

import (
	"strconv"
	"strings"

	"viaduct/appliance/sipmsg"
)

// Header wraps the value of a Reason header (RFC 3326), none for "".
func Header(value string) []sipmsg.Header {
	if value == "" {
		return nil
	}
	return []sipmsg.Header{{Name: "Reason", Value: value}}
}

// Q850 is the value for a cause.
func Q850(cause int) string { return "Q.850;cause=" + strconv.Itoa(cause) }

// Bare keeps protocol and cause of a peer's Reason header. Its text stays behind, because it may name things of that side.
func Bare(reason string) string {
	protocol, params, _ := strings.Cut(reason, ";")
	protocol = strings.TrimSpace(protocol)
	if !strings.EqualFold(protocol, "Q.850") && !strings.EqualFold(protocol, "SIP") {
		return ""
	}
	value, _ := sipmsg.Param(params, "cause")
	if n, err := strconv.Atoi(value); err == nil && n > 0 && n < 1000 {
		return protocol + ";cause=" + strconv.Itoa(n)
	}
	return ""
}

// Elsewhere is the Reason header of a CANCEL. A PBX that rings several phones says "answered elsewhere" with SIP 200 or Q.850 26.
// Teams shows a missed call unless it is told so in this form (teams.md A.31).
func Elsewhere(reason string) string {
	switch r := Bare(reason); {
	case strings.EqualFold(r, "SIP;cause=200"), strings.EqualFold(r, "Q.850;cause=26"):
		return CompletedElsewhere
	default:
		return r
	}
}

// CompletedElsewhere is the reason of a CANCEL to a phone that need not show a missed call.
const CompletedElsewhere = `SIP;cause=200;text="Call completed elsewhere"`
