package call

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/media"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipmsg"
	"viaduct/appliance/status"
)

// record is the record of a call while it grows.
type record struct{ status.Record }

// end notes how a call ended. Only the first call counts.
func (r *record) end(who status.Party, code int, reason string) {
	if r.By != "" {
		return
	}
	if code == 0 && !r.Connected.IsZero() {
		code = 200
	} else if code == 0 {
		code = 480
	}
	r.By, r.Code, r.Reason = who, code, reason
}

// printable is the record as it is kept and shown: numbers, reasons and Call-ID are text of the peers.
func (r record) printable() status.Record {
	for _, word := range []*string{&r.CallID, &r.Calling, &r.Called, &r.Reason} {
		*word = printable.Text(*word)
	}
	r.Attempts = slices.Clone(r.Attempts)
	for n := range r.Attempts {
		a := &r.Attempts[n]
		a.Calling, a.Called, a.Text = printable.Text(a.Calling), printable.Text(a.Called), printable.Text(a.Text)
	}
	return r.Record
}

// attempt notes the result of the attempt under way.
func (r *record) attempt(f callFailure) {
	if n := len(r.Attempts); n > 0 {
		r.Attempts[n-1].Code, r.Attempts[n-1].Text = f.code, f.text
	}
}

func (r *record) duration() time.Duration {
	if r.Connected.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Connected)
}

// media notes the final figures of the sides that had media.
func (r *record) media(stats [2]media.Stats, a, b *side) {
	for n, s := range []*side{a, b} {
		if s.Choice() == nil {
			continue
		}
		m := status.RecordMedia{Codec: s.codec(), Suite: s.protection(), Media: figures(stats[n])}
		for _, f := range []*float64{&m.JitterMS, &m.RoundTripMS, &m.BurstRatio, &m.MOS} {
			*f = hundredths(*f)
		}
		r.Media = append(r.Media, m)
	}
}

// figures are what the relay has counted on a side.
func figures(s media.Stats) status.Media {
	return status.Media{
		Received: s.Received, Sent: s.Sent, Lost: s.Lost, JitterMS: milliseconds(s.Jitter), RoundTripMS: milliseconds(s.RoundTrip),
		BurstRatio: s.Quality.BurstRatio, MOS: s.Quality.MOS, Foreign: s.Foreign,
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func hundredths(v float64) float64 { return math.Round(v*100) / 100 }

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
