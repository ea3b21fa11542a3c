package explain

import (
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// voice tells what the voice of each side was like.
func (x *explanation) voice() {
	r := &x.r
	if r.Connected.IsZero() {
		return
	}
	for n, m := range r.Media {
		from, side := r.From, "the caller"
		if m.Side == status.ByCallee || m.Side == "" && n > 0 {
			from, side = known(r.To, "the callee"), "the callee"
		}
		if r.From == r.To { // two phones: the interface does not say which
			from = side + " (" + from + ")"
		}
		x.say(Voice, "From %s: %s", from, stream(m))
		if m.SilentS > 0 {
			x.say(Voice, "One-way voice: in the last %s nothing came from %s, while the other side was heard", span(time.Duration(m.SilentS)*time.Second), from)
			if m.Received == 0 {
				x.cure("Voice from " + from + " does not reach the box: look for a firewall or NAT that stops UDP to its `media-ports`, and at the address that the box tells (`spoofed media-address`).")
			} else {
				x.cure("Voice from " + from + " stopped during the call: look for a NAT or firewall that forgets UDP, a phone that lost its network, or a new SRTP key that one side did not take (`show log`).")
			}
		}
		if percent(m) >= 3 {
			x.cure("Packets from " + from + " are lost on their way: look for an overloaded line, Wi-Fi, or a port with another duplex (`show port ethernet 0 0`).")
		}
	}
	if silence(r.Media) && r.Ended.Sub(r.Connected) > 5*time.Second {
		x.say(Voice, "No voice came from either side")
	}
}

// stream is one side's voice.
func stream(m status.RecordMedia) string {
	codec, _, _ := strings.Cut(m.Codec, "/")
	kind := known(codec, "no codec") + " in the clear"
	if m.Suite != "" {
		kind = known(codec, "no codec") + " with SRTP"
	}
	if m.Received == 0 {
		return "nothing, " + kind
	}
	lost := "none lost"
	if m.Lost > 0 {
		lost = fmt.Sprintf("%d lost (%.1f %%)", m.Lost, percent(m))
	}
	text := fmt.Sprintf("%s, %s, %s, jitter %.0f ms", kind, plural.Of(int(m.Received), "packet"), lost, m.JitterMS)
	if m.RoundTripMS > 0 {
		text += fmt.Sprintf(", round trip %.0f ms", m.RoundTripMS)
	}
	if m.MOS > 0 {
		text = fmt.Sprintf("%s (MOS %.1f), %s", Quality(m.MOS), m.MOS, text)
	}
	return text
}

// Quality says a mean opinion score in a word: the bounds are those of G.107 Annex B, where fewer and fewer users are satisfied.
func Quality(mos float64) string {
	switch {
	case mos >= 4.03:
		return "good"
	case mos >= 3.6:
		return "fair"
	case mos >= 3.1:
		return "poor"
	}
	return "bad"
}

// percent is the share of packets that were lost.
func percent(m status.RecordMedia) float64 {
	if m.Lost <= 0 {
		return 0
	}
	return 100 * float64(m.Lost) / float64(uint64(m.Lost)+m.Received)
}

// silence reports whether both sides had media and neither was heard.
func silence(list []status.RecordMedia) bool {
	for _, m := range list {
		if m.Received > 0 {
			return false
		}
	}
	return len(list) > 0
}
