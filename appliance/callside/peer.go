package callside

import (
	"slices"
	"strings"

	"viaduct/appliance/sdp"
	"viaduct/appliance/status"
)

// Digits says how digits go to the peer of a side. The profile decides (dtmf-relay). Otherwise they go as events, the only form that
// Teams takes (teams.md A.41). A peer whose description has no events gets SIP INFO if its Allow header names it, for example an
// endpoint of Asterisk with dtmf_mode=info.
func (s *Side) Digits() status.Digits {
	switch {
	case s.Profile != nil && s.Profile.DTMFRelay == "signaling":
		return status.DigitsInfo
	case s.Choice() == nil:
	case s.Choice().DTMF != nil:
		return status.DigitsEvents
	case s.Informs && s.Profile.DTMFRelay != "rtp" && !s.Interface.Teams():
		return status.DigitsInfo
	}
	return status.DigitsNone
}

// NoteAllow notes the methods in a peer's Allow header.
func (s *Side) NoteAllow(headers func(string) []string) {
	s.Refers, s.Informs = allows(headers, "REFER"), allows(headers, "INFO")
}

// allows reports whether a message's Allow header names a method.
func allows(headers func(string) []string, method string) bool {
	for _, v := range headers("Allow") {
		for m := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(m), method) {
				return true
			}
		}
	}
	return false
}

// Able are the codecs that a side uses or could change to: its peer has described them and its profile permits them.
func (s *Side) Able() []sdp.Codec {
	list := s.Choice().Codecs()
	if s.Remote() != nil {
		for _, c := range sdp.Takes(s.Remote(), s.Profile) {
			if !slices.ContainsFunc(list, c.Same) {
				list = append(list, c)
			}
		}
	}
	return list
}

// Permits reports whether a side's profile names a codec.
func (s *Side) Permits(codec sdp.Codec) bool {
	return slices.ContainsFunc(sdp.Codecs(s.Profile), codec.Same)
}

// Channels is 1, the licenses of a side that has SRTP or may get it, or 0.
func (s *Side) Channels() int {
	if s.Secure(s.Profile) {
		return 1
	}
	return 0
}

// Tonal are the codecs that a caller's offer may be answered with. If the caller is to hear a tone of ours, these are codecs that
// the tone can be made in. The callee is then offered no others, because they are agreed before it has spoken.
func (s *Side) Tonal() []sdp.Codec {
	list := sdp.Takes(s.Remote(), s.Profile)
	if s.Interface.LocalRingback {
		list = slices.DeleteFunc(list, func(c sdp.Codec) bool { return c.Voice() == nil })
	}
	return list
}
