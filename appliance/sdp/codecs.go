package sdp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/audio"
	"viaduct/appliance/config"
)

// named are the codecs that `codec N NAME` of a voip profile may offer. Dynamic payload types are those of Teams.
var named = map[string]Codec{
	"g711alaw64k": {PT: 8, Name: PCMA, Rate: 8000, Channels: 1},
	"g711ulaw64k": {PT: 0, Name: PCMU, Rate: 8000, Channels: 1},
	"g722":        {PT: 9, Name: G722, Rate: 8000, Channels: 1}, // 8000 by a mistake in RFC 1890 that RFC 3551 kept
	"g722-64k":    {PT: 9, Name: G722, Rate: 8000, Channels: 1},
	"g729":        {PT: 18, Name: G729, Rate: 8000, Channels: 1},
	"g729a":       {PT: 18, Name: G729, Rate: 8000, Channels: 1},
	"opus":        {PT: 111, Name: Opus, Rate: 48000, Channels: 2},
}

// static are the payload types that need no a=rtpmap (RFC 3551 section 6).
var static = map[uint8]Codec{
	0: named["g711ulaw64k"], 8: named["g711alaw64k"], 9: named["g722"], 18: named["g729"],
	3:  {PT: 3, Name: "GSM", Rate: 8000, Channels: 1},
	4:  {PT: 4, Name: "G723", Rate: 8000, Channels: 1},
	13: {PT: 13, Name: ComfortNoise, Rate: 8000, Channels: 1},
	15: {PT: 15, Name: "G728", Rate: 8000, Channels: 1},
}

// events are the telephone-events that we relay, as a=fmtp has them.
var events = fmt.Sprintf("0-%d", audio.LastEvent)

// eventPT is the payload type of telephone-event in our offers; codecs of a second clock have the next one.
const eventPT = 101

// ProfileOf is the voip profile of the peer of an interface.
func ProfileOf(cfg *config.Config, i *config.SIPInterface) *config.VoIPProfile {
	return cmp.Or(i.VoIP.In(cfg), DefaultProfile)
}

// DefaultProfile is what a peer without a voip profile gets. A profile that names no codec has its codecs.
var DefaultProfile = func() *config.VoIPProfile {
	p := &config.VoIPProfile{Codecs: []config.Codec{{Index: 1, Name: "g711alaw64k", RxLength: 20, TxLength: 20}, {Index: 2, Name: "g711ulaw64k", RxLength: 20, TxLength: 20}}}
	p.SetDefaults()
	return p
}()

// IsAudio tells codecs proper from what travels beside them.
func (c Codec) IsAudio() bool {
	return c.Name != TelephoneEvent && c.Name != ComfortNoise && c.Name != "RED"
}

// Codecs are the audio codecs that a profile names, best first.
func Codecs(p *config.VoIPProfile) []Codec { return profile(p).codecs() }

// Same reports whether two payload types carry the same codec, whatever their numbers.
func (c Codec) Same(o Codec) bool {
	return c.Name == o.Name && c.Rate == o.Rate && max(c.Channels, 1) == max(o.Channels, 1)
}

// Voice is what the box can decode and encode of a codec, nil when its packets can only pass.
func (c Codec) Voice() *audio.Codec { return audio.Find(c.Name, c.Rate) }

// Loss is what a codec takes from the rating of a voice. The zero value: that is not known.
func (c Codec) Loss() audio.Impairment { return audio.LossOf(c.Name) }

// Joinable reports whether the relay can join two sides that use these codecs: packets pass, or their voice is converted.
func Joinable(a, b Codec) bool { return a.Same(b) || audio.Converts(a.Voice(), b.Voice()) }

// Takes lists the audio codecs of a peer's description that the profile permits too, in the profile's order. It is never nil,
// so that as Local.Other an empty list means "nothing in common".
func Takes(peer *Session, p *config.VoIPProfile) []Codec {
	common := make([]Codec, 0, len(peer.Audio.Codecs))
	for _, c := range profile(p).codecs() {
		if theirs, ok := find(peer.Audio.Codecs, c); ok {
			common = append(common, theirs)
		}
	}
	return common
}

// voip is a profile with the questions that offer and answer ask.
type voip config.VoIPProfile

func profile(p *config.VoIPProfile) *voip {
	switch {
	case p == nil:
		return (*voip)(DefaultProfile)
	case len(p.Codecs) == 0:
		with := *p
		with.Codecs = DefaultProfile.Codecs
		return (*voip)(&with)
	}
	return (*voip)(p)
}

// codecs are the profile's audio codecs, best first. Names that we do not know are left out: the console has said so.
func (p *voip) codecs() (list []Codec) {
	for _, c := range p.ordered() {
		if known, ok := named[strings.ToLower(c.Name)]; ok {
			if _, twice := find(list, known); !twice {
				list = append(list, known)
			}
		}
	}
	return list
}

// ordered are the profile's codec lines by index.
func (p *voip) ordered() []config.Codec {
	list := slices.Clone(p.Codecs)
	slices.SortStableFunc(list, func(a, b config.Codec) int { return a.Index - b.Index })
	return list
}

// line is the configuration of a codec.
func (p *voip) line(codec Codec) config.Codec {
	for _, c := range p.Codecs {
		if named[strings.ToLower(c.Name)].Same(codec) {
			return c
		}
	}
	return config.Codec{RxLength: 20, TxLength: 20}
}

// PacketTime is how much voice our packets to the peer hold, in milliseconds: as much as it asks for (a=ptime), else what the codec's
// line in the profile says (tx-length), and never more than it takes (a=maxptime).
func (c *Choice) PacketTime(p *config.VoIPProfile) int {
	ms := c.Ptime
	if ms == 0 {
		ms = profile(p).line(c.Codec).TxLength
	}
	if c.MaxPtime > 0 {
		ms = min(ms, c.MaxPtime)
	}
	return ms
}

func (p *voip) silence() bool {
	for _, c := range p.Codecs {
		if c.SilenceSuppression {
			return true
		}
	}
	return false
}

func (p *voip) dtmf() bool { return p.DTMFRelay != "signaling" }

// codecsFor are the audio codecs that our side takes part in: those of the profile that the other leg has too, the preferred one first.
// Codecs whose voice must be converted for the other leg come last.
func (l Local) codecsFor() []Codec {
	var list, converted []Codec
	for _, c := range profile(l.Profile).codecs() {
		if l.Other != nil {
			other, ok := find(l.Other, c)
			if !ok {
				if slices.ContainsFunc(l.Other, func(o Codec) bool { return Joinable(c, o) }) {
					converted = append(converted, c)
				}
				continue
			}
			c.Fmtp = other.Fmtp // the packets pass as they are, and so do their parameters
		}
		if c.Name == l.Prefer {
			list = append([]Codec{c}, list...)
		} else {
			list = append(list, c)
		}
	}
	return append(list, converted...)
}

func find(list []Codec, like Codec) (Codec, bool) {
	for _, c := range list {
		if c.Same(like) {
			return c, true
		}
	}
	return Codec{}, false
}

// beside finds telephone-event or comfort noise with the clock of the audio codec (RFC 4733 section 2.1, RFC 3389 section 4).
func beside(list []Codec, name string, audio Codec) *Codec {
	for _, c := range list {
		if c.Name == name && c.Rate == audio.Rate {
			found := c
			return &found
		}
	}
	return nil
}
