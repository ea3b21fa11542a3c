package hep

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"

	"viaduct/appliance/status"
)

// report is what a server reads about one stream of voice at its end, in the form of an RTP agent. What is not known is left out: a server
// takes any number for a figure.
type report struct {
	Correlation string     `json:"CORRELATION_ID"`
	CallID      string     `json:"RTP_SIP_CALL_ID"`
	Time        int64      `json:"REPORT_TS"` // Unix seconds
	Type        string     `json:"TYPE"`
	Direction   int        `json:"DIR"` // 0: from the caller, 1: from the callee
	Source      netip.Addr `json:"SRC_IP"`
	SourcePort  uint16     `json:"SRC_PORT"`
	Dest        netip.Addr `json:"DST_IP"`
	DestPort    uint16     `json:"DST_PORT"`
	Codec       string     `json:"CODEC_NAME,omitempty"`
	Clock       int        `json:"CLOCK,omitempty"` // Hz
	Packets     uint64     `json:"TOTAL_PK"`
	Expected    int64      `json:"EXPECTED_PK"`
	Lost        int64      `json:"PACKET_LOSS"`
	Jitter      float64    `json:"JITTER"` // ms
	MeanJitter  float64    `json:"MEAN_JITTER"`
	MOS         float64    `json:"MOS,omitempty"`
	MeanMOS     float64    `json:"MEAN_MOS,omitempty"`
}

// hangup is the type of a report at the end of a call.
const hangup = "HANGUP"

// report queues what a call that is over says of the voice of each peer.
func (c *Client) report(r *status.Record) {
	if c.settings.Load() == nil {
		return
	}
	for _, m := range r.Media {
		if !m.Local.IsValid() || !m.Remote.IsValid() {
			continue
		}
		x := c.pool.Get().(*entry)
		*x = entry{at: r.Ended, local: m.Local, remote: m.Remote, udp: true, kind: typeReport, call: r.ID, text: x.text[:0]}
		text, err := json.Marshal(reportOf(r, m))
		if err != nil {
			continue // JSON has a form for all of it
		}
		x.text = append(x.text, text...)
		c.put(x)
	}
}

// reportOf is the report on what came from the peer of one side.
func reportOf(r *status.Record, m status.RecordMedia) report {
	name, clock, _ := strings.Cut(m.Codec, "/")
	hertz, _ := strconv.Atoi(clock) // 0, not known, for a codec without
	x := report{
		Correlation: r.ID, CallID: m.CallID, Time: r.Ended.Unix(), Type: hangup,
		Source: m.Remote.Addr().Unmap(), SourcePort: m.Remote.Port(), Dest: m.Local.Addr().Unmap(), DestPort: m.Local.Port(),
		Codec: name, Clock: hertz,
		// Packets that came twice make the loss negative (RFC 3550 A.3).
		Packets: m.Received, Expected: max(int64(m.Received)+m.Lost, 0), Lost: max(m.Lost, 0),
		Jitter: m.JitterMS, MeanJitter: m.JitterMS, MOS: m.MOS, MeanMOS: m.MOS,
	}
	if m.Side == status.ByCallee {
		x.Direction = 1
	}
	return x
}
