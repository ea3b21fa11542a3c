package status

import (
	"net/netip"
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

// TraceMessage is a message of a call, without its secrets. Method, Reason and Text are a peer's.
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
	Size      int            `json:"size"` // octets on the wire; Text may have less
	Text      string         `json:"text"`
}
