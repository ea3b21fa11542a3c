package status

import (
	"net/netip"
	"time"
)

// Call is a call in progress.
type Call struct {
	ID        string    `json:"id"`
	State     CallState `json:"state"`
	From      string    `json:"from"` // SIP interfaces
	To        string    `json:"to,omitempty"`
	Calling   string    `json:"calling"`
	Called    string    `json:"called"`
	Name      string    `json:"calling_name,omitempty"` // of the caller, as the caller's side says
	Started   time.Time `json:"started"`
	Connected time.Time `json:"connected,omitzero"`
	Legs      []Leg     `json:"legs,omitempty"` // the caller's first
}

// CallState is how far a call has come.
type CallState uint8

const (
	CallRouting CallState = iota
	CallRinging
	CallConnected
	CallHeld
)

var callStates = words{"routing", "ringing", "connected", "held"}

// CallStates are all of them.
func CallStates() []CallState { return []CallState{CallRouting, CallRinging, CallConnected, CallHeld} }

func (s CallState) String() string                   { return callStates.text(uint8(s)) }
func (s CallState) MarshalText() ([]byte, error)     { return callStates.marshal(uint8(s)) }
func (s *CallState) UnmarshalText(text []byte) error { return callStates.unmarshal(text, (*uint8)(s)) }

// Leg is one side of a call in progress.
type Leg struct {
	Interface string         `json:"interface"`
	Peer      string         `json:"peer,omitempty"` // host:port/transport
	CallID    string         `json:"call_id"`
	Codec     string         `json:"codec,omitempty"` // "PCMA/8000"
	Suite     string         `json:"suite,omitempty"` // of SRTP
	Digits    Digits         `json:"digits"`
	Local     netip.AddrPort `json:"local,omitzero"` // of the media
	Remote    netip.AddrPort `json:"remote,omitzero"`
	Media
}

// Digits is the form in which a peer is given digits.
type Digits uint8

const (
	DigitsNone   Digits = iota
	DigitsEvents        // telephone-event (RFC 4733)
	DigitsInfo          // SIP INFO
)

var digitForms = words{"none", "telephone-event", "SIP INFO"}

func (d Digits) String() string                   { return digitForms.text(uint8(d)) }
func (d Digits) MarshalText() ([]byte, error)     { return digitForms.marshal(uint8(d)) }
func (d *Digits) UnmarshalText(text []byte) error { return digitForms.unmarshal(text, (*uint8)(d)) }

// Media are the figures of one side's RTP.
type Media struct {
	Received    uint64  `json:"received"`
	Sent        uint64  `json:"sent"`
	Lost        int64   `json:"lost"` // packets of the peer, RFC 3550 A.3: negative with duplicates
	JitterMS    float64 `json:"jitter_ms"`
	RoundTripMS float64 `json:"round_trip_ms,omitempty"` // 0: unknown
	BurstRatio  float64 `json:"burst_ratio,omitempty"`   // of the losses, 1: as by chance
	MOS         float64 `json:"mos,omitempty"`           // of the peer's voice (ITU-T G.107), 0: unknown
	Foreign     uint64  `json:"foreign,omitempty"`       // packets of strangers
}
