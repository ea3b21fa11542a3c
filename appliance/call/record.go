package call

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/media"
	"viaduct/appliance/printable"
	"viaduct/appliance/sipgw"
)

// Record is what is kept of a call that ended: one JSON line.
type Record struct {
	ID        string      `json:"id"`
	CallID    string      `json:"call_id"` // of the caller's leg
	Started   time.Time   `json:"started"`
	Alerted   time.Time   `json:"alerted,omitzero"`
	Connected time.Time   `json:"connected,omitzero"`
	Ended     time.Time   `json:"ended"`
	From      string      `json:"from"` // SIP interfaces
	To        string      `json:"to,omitempty"`
	Calling   string      `json:"calling"`
	Called    string      `json:"called"`
	Attempts  []Attempt   `json:"attempts,omitempty"`
	By        string      `json:"by"`   // who ended it: "caller", "callee", "box", "media", "administrator"
	Code      int         `json:"code"` // SIP status of the call: 200 for one that was connected
	Reason    string      `json:"reason,omitempty"`
	Media     []SideMedia `json:"media,omitempty"` // caller's side first
}

// Attempt is one destination that was tried.
type Attempt struct {
	Interface string `json:"interface"`
	Calling   string `json:"calling"`
	Called    string `json:"called"`
	Code      int    `json:"code,omitempty"`
	Text      string `json:"text,omitempty"` // Reason and Warning of the peer
}

// SideMedia are the figures of one side.
type SideMedia struct {
	Codec    string  `json:"codec,omitempty"`
	Suite    string  `json:"suite,omitempty"`
	Received uint64  `json:"received"`
	Sent     uint64  `json:"sent"`
	Lost     int64   `json:"lost"`
	JitterMS float64 `json:"jitter_ms"`
	TripMS   float64 `json:"round_trip_ms,omitempty"` // 0: not known
	Burst    float64 `json:"burst_ratio,omitempty"`   // of the losses, 1: as by chance
	MOS      float64 `json:"mos,omitempty"`           // of what came from the peer (ITU-T G.107), 0: not known
	Foreign  uint64  `json:"foreign,omitempty"`
}

// end notes how a call ended; the first word counts.
func (r *Record) end(who string, code int, reason string) {
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

// printable is the record as it is kept and shown: numbers, reasons and Call-ID are words of the peers.
func (r Record) printable() Record {
	for _, word := range []*string{&r.CallID, &r.Calling, &r.Called, &r.Reason} {
		*word = printable.Text(*word)
	}
	r.Attempts = slices.Clone(r.Attempts)
	for n := range r.Attempts {
		a := &r.Attempts[n]
		a.Calling, a.Called, a.Text = printable.Text(a.Calling), printable.Text(a.Called), printable.Text(a.Text)
	}
	return r
}

// attempt notes how the attempt under way went.
func (r *Record) attempt(f failure) {
	if n := len(r.Attempts); n > 0 {
		r.Attempts[n-1].Code, r.Attempts[n-1].Text = f.code, f.text
	}
}

func (r *Record) duration() time.Duration {
	if r.Connected.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Connected)
}

// media notes the final figures of the sides that had media.
func (r *Record) media(stats [2]media.Stats, a, b *side) {
	for n, s := range []*side{a, b} {
		if s.choice == nil {
			continue
		}
		m := SideMedia{
			Codec:    fmt.Sprintf("%s/%d", s.choice.Codec.Name, s.choice.Codec.Rate),
			Received: stats[n].Received, Sent: stats[n].Sent, Lost: stats[n].Lost,
			JitterMS: milliseconds(stats[n].Jitter), TripMS: milliseconds(stats[n].RoundTrip),
			Burst: hundredths(stats[n].Quality.BurstRatio), MOS: hundredths(stats[n].Quality.MOS),
			Foreign: stats[n].Foreign,
		}
		if s.choice.Local != nil {
			m.Suite = s.choice.Local.Suite
		}
		r.Media = append(r.Media, m)
	}
}

func milliseconds(d time.Duration) float64 { return hundredths(float64(d) / float64(time.Millisecond)) }

func hundredths(v float64) float64 { return math.Round(v*100) / 100 }

// reasonHeader wraps the value of a Reason header (RFC 3326), none for "".
func reasonHeader(value string) []sipgw.Header {
	if value == "" {
		return nil
	}
	return []sipgw.Header{{Name: "Reason", Value: value}}
}

// cause is the Reason header of a failure.
func cause(f failure) []sipgw.Header {
	if f.cause == 0 {
		return nil
	}
	return reasonHeader(q850Cause(f.cause))
}

func q850Cause(cause int) string { return "Q.850;cause=" + strconv.Itoa(cause) }

// q850 passes a peer's Reason on when it is one: protocol and cause, without its text, which may name things of that side.
func q850(reason string) string {
	protocol, params, _ := strings.Cut(reason, ";")
	protocol = strings.TrimSpace(protocol)
	if !strings.EqualFold(protocol, "Q.850") && !strings.EqualFold(protocol, "SIP") {
		return ""
	}
	value, _ := sipgw.Param(params, "cause")
	if n, err := strconv.Atoi(value); err == nil && n > 0 && n < 1000 {
		return protocol + ";cause=" + strconv.Itoa(n)
	}
	return ""
}

// elsewhere is the Reason of a CANCEL: a PBX that rings several phones says "answered elsewhere" as SIP 200 or Q.850 26, and
// Teams shows a missed call unless it is told in this form (teams.md A.31).
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
