package call

import (
	"math"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/sipmsg"
)

// reasonHeader wraps the value of a Reason header (RFC 3326), none for "".
func reasonHeader(value string) []sipmsg.Header {
	if value == "" {
		return nil
	}
	return []sipmsg.Header{{Name: "Reason", Value: value}}
}

// cause is the Reason header of a failure.
func cause(f callFailure) []sipmsg.Header {
	if f.cause == 0 {
		return nil
	}
	return reasonHeader(q850Cause(f.cause))
}

func q850Cause(cause int) string { return "Q.850;cause=" + strconv.Itoa(cause) }

// q850 keeps protocol and cause of a peer's Reason header. Its text stays behind, because it may name things of that side.
func q850(reason string) string {
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

// elsewhere is the Reason header of a CANCEL. A PBX that rings several phones says "answered elsewhere" with SIP 200 or Q.850 26.
// Teams shows a missed call unless it is told so in this form (teams.md A.31).
func elsewhere(reason string) string {
	switch r := q850(reason); {
	case strings.EqualFold(r, "SIP;cause=200"), strings.EqualFold(r, "Q.850;cause=26"):
		return `SIP;cause=200;text="Call completed elsewhere"`
	default:
		return r
	}
}

// seconds prints a Retry-After value, at least one.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
