package status

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// CallTrace are the SIP messages of one call that are kept.
type CallTrace struct {
	ID       string         `json:"id"`
	Calling  string         `json:"calling"`
	Called   string         `json:"called"`
	Legs     []TraceLeg     `json:"legs"` // the caller's first, then those that were called, in their order
	Messages []TraceMessage `json:"messages"`
}

// TraceLeg is a dialog of a call.
type TraceLeg struct {
	Interface string `json:"interface"`
	CallID    string `json:"call_id"`
	Kept      bool   `json:"kept"`           // false: nothing is
	Shed      int    `json:"shed,omitempty"` // messages that there were besides
}

// TraceMessage is a message of a call, without its secrets. Method, Reason, First and Text are a peer's.
type TraceMessage struct {
	Time      time.Time      `json:"time"`
	Leg       int            `json:"leg"`
	Sent      bool           `json:"sent"`
	Again     bool           `json:"again,omitempty"` // it repeats an earlier one
	Transport string         `json:"transport"`       // "udp"
	Local     netip.AddrPort `json:"local"`
	Remote    netip.AddrPort `json:"remote"`
	Method    string         `json:"method"`         // of the request, or of the one that is answered
	Code      int            `json:"code,omitempty"` // 0: a request
	Reason    string         `json:"reason,omitempty"`
	SDP       bool           `json:"sdp,omitempty"`
	Size      int            `json:"size"`            // octets on the wire; Text may have less
	First     string         `json:"first,omitempty"` // line of Text, in an outline, which has no Text
	Text      string         `json:"text,omitempty"`
}

// Outline is the trace without the text of its messages.
func (t CallTrace) Outline() CallTrace {
	t.Messages = slices.Clone(t.Messages)
	for n := range t.Messages {
		m := &t.Messages[n]
		m.First, _, _ = strings.Cut(m.Text, "\r\n")
		m.Text = ""
	}
	return t
}

// Label names a message: the method, or the code with what it is about.
func (m TraceMessage) Label() string {
	label := m.Method
	if m.Code > 0 {
		if label = fmt.Sprintf("%d %s", m.Code, m.Reason); m.Method != "INVITE" {
			label = fmt.Sprintf("%d %s", m.Code, m.Method)
		}
	}
	if m.SDP {
		label += " +SDP"
	}
	return cmp.Or(strings.TrimSpace(label), "?")
}

// LegName is A for the caller, B for the first that is called, and so on.
func LegName(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return LegName(n/26-1) + string(rune('A'+n%26))
}

// Explanation is what became of a call, in sentences.
type Explanation struct {
	Result string          `json:"result"` // in a few words
	Failed bool            `json:"failed,omitempty"`
	Lines  []ExplainedLine `json:"lines"`
	Record Record          `json:"record"` // without an end: it is in progress
}

// ExplainedLine is one sentence of it.
type ExplainedLine struct {
	Head string `json:"head"` // what it is about
	Text string `json:"text"`
}
