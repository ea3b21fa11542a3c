package media

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/audio"
)

// State is a session as a value, for another box to go on with: see Relay.Restore. It holds SRTP keys. It changes when the call opens ports
// or sets what was agreed; what moves with the packets is in Marks.
type State struct {
	Sides [2]SideState `json:"sides"`
	Marks Marks        `json:"marks"` // at the same time
}

// SideState is one side of a session.
type SideState struct {
	Ports  PortOptions `json:"ports,omitzero"`
	Port   uint16      `json:"port,omitempty"` // of RTP; 0: the side is not open
	SSRC   uint32      `json:"ssrc,omitempty"` // of the stream that we send
	Params *Agreed     `json:"params,omitempty"`
}

// State is the session now. A closed one has no side open.
func (s *Session) State() (state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.thread == nil {
		return state
	}
	s.thread.do(func() {
		for side := range s.legs {
			l := &s.legs[side]
			state.Sides[side].Port, state.Sides[side].SSRC = l.local.number, l.out.stream.ssrc
		}
		state.Marks = s.marks()
	})
	for side, ports := range s.opened {
		if ports == nil {
			state.Sides[side] = SideState{}
			continue
		}
		at := &state.Sides[side]
		at.Ports, at.Params = *ports, s.agreed[side].State()
		at.Ports.TOS = cmp.Or(at.Ports.TOS, -1)
	}
	return state
}

// Agreed are Params for another box. Codecs are there by name, and who may send is the call's to say again.
type Agreed struct {
	Remote   netip.AddrPort   `json:"remote,omitzero"`
	RTCP     netip.AddrPort   `json:"rtcp,omitzero"`
	Mux      bool             `json:"mux,omitempty"`
	Keys     *Keys            `json:"keys,omitempty"`
	Send     bool             `json:"send,omitempty"`
	Receive  bool             `json:"receive,omitempty"`
	Wanted   PayloadTypes     `json:"wanted"`
	Received *PayloadTypes    `json:"received,omitempty"`
	Rate     int              `json:"rate,omitempty"`
	Codec    string           `json:"codec,omitempty"`
	Voice    string           `json:"voice,omitempty"`
	Loss     audio.Impairment `json:"loss,omitzero"`
	Spare    []AgreedFormat   `json:"spare,omitempty"`
	Claimed  audio.Numbers    `json:"claimed,omitempty"`
	Ptime    time.Duration    `json:"ptime,omitempty"`
	Suppress bool             `json:"suppress,omitempty"`
	Latch    Latch            `json:"latch,omitempty"`
	Judged   bool             `json:"judged,omitempty"` // Admit was set
}

// AgreedFormat is a Format for another box.
type AgreedFormat struct {
	Received uint8  `json:"received"`
	Wanted   uint8  `json:"wanted"`
	Codec    string `json:"codec"`
	Voice    string `json:"voice,omitempty"`
}

// State is Params for another box; nil, of nil: nothing was agreed. It shares what never changes.
func (p *Params) State() *Agreed {
	if p == nil {
		return nil
	}
	s := &Agreed{
		Remote: p.Remote, RTCP: p.RemoteRTCP, Mux: p.Mux, Send: p.Send, Receive: p.Receive, Wanted: PayloadTypes{p.AudioPT, p.DTMFPT, p.CNPT},
		Received: p.Received, Rate: p.Rate, Codec: p.Codec, Voice: nameOf(p.Voice), Loss: p.Loss, Claimed: p.Claimed, Ptime: p.Ptime,
		Suppress: p.Suppress, Latch: p.Latch, Judged: p.Admit != nil,
	}
	if p.LocalKey != nil || p.RemoteKey != nil {
		s.Keys = &p.Keys
	}
	for _, f := range p.Spare {
		s.Spare = append(s.Spare, AgreedFormat{f.Received, f.Wanted, f.Codec, nameOf(f.Voice)})
	}
	return s
}

// Params are those that State was taken of. Where the call judged sources none is admitted, beyond those that are known, until it sets Admit again.
func (s *Agreed) Params() Params {
	p := Params{
		Remote: s.Remote, RemoteRTCP: s.RTCP, Mux: s.Mux, Send: s.Send, Receive: s.Receive, AudioPT: s.Wanted.Audio, DTMFPT: s.Wanted.DTMF,
		CNPT: s.Wanted.CN, Received: s.Received, Rate: s.Rate, Codec: s.Codec, Voice: voiceOf(s.Voice), Loss: s.Loss, Claimed: s.Claimed,
		Ptime: s.Ptime, Suppress: s.Suppress, Latch: s.Latch,
	}
	if s.Keys != nil {
		p.Keys = *s.Keys
	}
	for _, f := range s.Spare {
		p.Spare = append(p.Spare, Format{f.Received, f.Wanted, f.Codec, voiceOf(f.Voice)})
	}
	if s.Judged {
		p.Admit = func(netip.AddrPort) bool { return false }
	}
	return p
}

func nameOf(c *audio.Codec) string {
	if c == nil {
		return ""
	}
	return c.Name + "/" + strconv.Itoa(c.Clock)
}

// voiceOf is the codec of a name by nameOf; nil: none, or one that this release does not know.
func voiceOf(name string) *audio.Codec {
	name, rate, _ := strings.Cut(name, "/")
	for _, c := range audio.Codecs {
		if c.Name == name && strconv.Itoa(c.Clock) == rate {
			return c
		}
	}
	return nil
}
