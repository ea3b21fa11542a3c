// Package sdp speaks offer/answer (RFC 3264) for one audio stream: which codec, which keys, which direction, which ports.
//
// It owns the shape of the session descriptions that we write and the reading of everything a peer may write. Descriptions of
// ours are built from values, never by editing a peer's bytes, so nothing of one leg leaks into the other. It does not own
// sockets or packets (package media) and does not know whose leg it speaks for (package call). Pure values: no goroutines, no
// clock, no I/O; NewCrypto alone reads crypto/rand.
package sdp

import (
	"fmt"
	"net/netip"

	"viaduct/appliance/audio"
	"viaduct/appliance/config"
)

// Direction is the direction attribute of a stream, seen from the side that wrote it.
type Direction string

const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Names of codecs as they stand in a=rtpmap, in upper case but for telephone-event.
const (
	PCMA           = "PCMA"
	PCMU           = "PCMU"
	G722           = "G722"
	G729           = "G729"
	Opus           = "OPUS"
	ComfortNoise   = "CN"
	TelephoneEvent = "telephone-event"
)

// Codec is one payload type of a stream. Channels is 1 when the description names none.
type Codec struct {
	PT       uint8
	Name     string
	Rate     int
	Channels int    `json:"Channels,omitzero"`
	Fmtp     string `json:"Fmtp,omitempty"`
}

// Crypto is one a=crypto line (SDES, RFC 4568). Key is master key and master salt, one after the other. Lifetime is in
// packets, 0 when not given. MKI is the master key identifier that the packets carry, empty for none.
type Crypto struct {
	Tag      int
	Suite    string
	Key      []byte
	Lifetime uint64 `json:"Lifetime,omitempty"`
	MKI      []byte `json:"MKI,omitempty"`
}

// Audio is the audio stream of a description.
type Audio struct {
	Addr      netip.Addr // of the stream, taken from the session's c= when the stream has none
	RTCPAddr  netip.Addr `json:"RTCPAddr,omitzero"` // of a=rtcp (RFC 3605); not valid: Addr
	Port      uint16     // 0: the stream is refused
	RTCPPort  uint16     // Port+1 when not given, Port with Mux
	Mux       bool       `json:"Mux,omitempty"`      // a=rtcp-mux (RFC 5761)
	Secure    bool       `json:"Secure,omitempty"`   // RTP/SAVP or RTP/SAVPF
	Feedback  bool       `json:"Feedback,omitempty"` // RTP/AVPF or RTP/SAVPF
	Direction Direction  // holds written as c=0.0.0.0 read as inactive or sendonly, see Held
	Held      bool       `json:"Held,omitempty"` // the connection address is 0.0.0.0 (RFC 2543's hold)
	Codecs    []Codec    `json:"Codecs,omitempty"`
	Numbers   []uint8    `json:"Numbers,omitempty"`  // payload types of the m-line, also unknown ones
	Ptime     int        `json:"Ptime,omitempty"`    // milliseconds, 0 when not given
	MaxPtime  int        `json:"MaxPtime,omitempty"` // the same
	Crypto    []Crypto   `json:"Crypto,omitempty"`
}

// Session is a description with its one audio stream: the first that is not refused, or the one that Suit has chosen. Other streams
// are kept as far as an answer must refuse them in order.
//
// It can be written out as JSON, and read back, for another box. SDP would not do: a Session is what the box has made of a peer's text, with
// streams chosen and addresses judged. Only Suit cannot choose any more then.
type Session struct {
	OriginUser         string
	SessionID, Version uint64
	OriginAddr         netip.Addr
	Addr               netip.Addr // session level c=; may be invalid when every stream has its own
	Audio              Audio

	Streams []Stream `json:"Streams,omitempty"` // all of a peer's, in their order; none: of ours there is the audio stream only
	Chosen  int      `json:"Chosen,omitempty"`  // which of them Audio is
}

// Local is our side of a description.
type Local struct {
	Addr               netip.Addr
	Port, RTCPPort     uint16
	Profile            *config.VoIPProfile
	Crypto             []Crypto // ours, from NewCrypto; empty: RTP. Keep it for the whole call
	SessionID, Version uint64
	Direction          Direction // "" is sendrecv

	// Other restricts the codecs to those that can be joined with a codec of the other leg; nil is no restriction.
	Other []Codec
	// Prefer puts the codec that is in use on the other leg first ("" leaves the profile's order).
	Prefer string
	// Also are further codecs that the other leg may send and receive at any time: an answer names them beside its codec.
	Also []Codec
}

// Choice is what an offer and its answer agreed on, seen from our side: all that media.Params needs.
type Choice struct {
	Codec Codec  // audio; PT is what we send
	DTMF  *Codec `json:"DTMF,omitempty"` // telephone-event, nil when not agreed
	CN    *Codec `json:"CN,omitempty"`   // comfort noise, nil when not agreed

	// Payload types that the peer sends to us (those of our own description); they differ from the ones we send only when
	// the peer answered with numbers of its own.
	RxAudio, RxDTMF, RxCN uint8 // NoPT when not agreed

	// Spare are the further ways in which audio may come. A peer that answers with several formats may send any of them at any time (RFC 3264
	// section 7), and some peers send a dynamic one under the number of their own description instead of ours.
	Spare []Format `json:"Spare,omitempty"`
	// Claimed are the dynamic payload types that mean something else than telephone-event to one of the two.
	Claimed audio.Numbers `json:"Claimed,omitempty"`

	Local     *Crypto        `json:"Local,omitempty"`  // nil, nil: RTP. The keys that we send
	Remote    *Crypto        `json:"Remote,omitempty"` // and receive with
	Mux       bool           `json:"Mux,omitempty"`
	Addr      netip.AddrPort // where to send RTP; the address is unspecified when the peer holds by c=0.0.0.0
	RTCPAddr  netip.AddrPort
	Direction Direction // ours, after the peer's say: send with SendRecv, SendOnly; receive with SendRecv, RecvOnly
	Ptime     int       `json:"Ptime,omitempty"`    // milliseconds that the peer asks for, 0 when it does not say
	MaxPtime  int       `json:"MaxPtime,omitempty"` // the most that it takes
}

// Format is an audio codec that comes under the number Rx, and is wanted under its PT.
type Format struct {
	Codec
	Rx     uint8
	Beside bool `json:"Beside,omitempty"` // it was not agreed: the other law of G.711, which the peer has and we have not
}

// NoPT stands for "no such payload type".
const NoPT = audio.NoPT

// Error is an offer or answer that cannot be used. Code is the SIP status that says so (488, or 400 for what is not SDP), Warning the
// code of a Warning header beside it (RFC 3261 20.43), 0 for none.
type Error struct {
	Code    int
	Text    string
	Warning int
}

func (e *Error) Error() string { return e.Text }

// Codes of a Warning header.
const (
	WarnNetwork   = 300 // network protocol: another IP version
	WarnAddress   = 301 // network address format
	WarnTransport = 302 // transport protocol: with or without SRTP
	WarnMedia     = 304 // media type
	WarnFormat    = 305 // media format: codecs
	WarnMulticast = 330
)

func notAcceptable(warning int, format string, args ...any) error {
	return &Error{488, fmt.Sprintf(format, args...), warning}
}

func malformed(format string, args ...any) error {
	return &Error{Code: 400, Text: fmt.Sprintf(format, args...)}
}

// CanSend and CanReceive say what a direction permits to the side that wrote it.
func (d Direction) CanSend() bool    { return d == SendRecv || d == SendOnly || d == "" }
func (d Direction) CanReceive() bool { return d == SendRecv || d == RecvOnly || d == "" }

// Reverse is the same stream seen from the other side.
func (d Direction) Reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	}
	return d
}

// And is the most that two wishes of the same side permit.
func (d Direction) And(other Direction) Direction {
	return direction(d.CanSend() && other.CanSend(), d.CanReceive() && other.CanReceive())
}

func direction(send, receive bool) Direction {
	switch {
	case send && receive:
		return SendRecv
	case send:
		return SendOnly
	case receive:
		return RecvOnly
	}
	return Inactive
}
