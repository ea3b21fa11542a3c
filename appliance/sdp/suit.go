package sdp

import "viaduct/appliance/config"

// Suit chooses the first audio stream of an offer that the profile can take: phones with "SRTP optional" offer RTP/SAVP and RTP/AVP as two
// streams, and each is answered by itself (RFC 3264 section 6). Check, which may be nil, is asked about each stream and may correct it. When
// no stream suits, Suit returns the error of Check about a stream that would have suited. Without such a stream the choice stays as it is, and
// Answer will say what is wrong with it.
func (s *Session) Suit(p *config.VoIPProfile, check func(*Audio) error) error {
	var refusal error
	for i := range s.Streams {
		a := s.Streams[i].audio
		if a == nil || a.Port == 0 || !suits(a, profile(p)) {
			continue
		}
		if check != nil {
			if err := check(a); err != nil {
				if refusal == nil {
					refusal = err
				}
				continue
			}
		}
		s.choose(i)
		return nil
	}
	return refusal
}

// suits reports whether a stream is with or without SRTP as the profile wants it, and has a codec of the profile.
func suits(a *Audio, p *voip) bool {
	_, known := choose(p.codecs(), a.Codecs)
	switch p.SRTP {
	case "forced":
		return known && len(a.Crypto) > 0
	case "preferred":
		return known && (!a.Secure || len(a.Crypto) > 0)
	}
	return known && !a.Secure
}
