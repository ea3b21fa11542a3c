package sdp

import (
	"fmt"
	"net/netip"
	"slices"
)

// Offer describes our side. It fails with 488 when the profile and the other leg have no codec in common.
func Offer(l Local) (*Session, error) {
	codecs := l.codecsFor()
	if len(codecs) == 0 {
		return nil, notAcceptable(WarnFormat, "the two sides of the call have no codec in common")
	}
	p := profile(l.Profile)
	s := l.session(p, codecs[0])
	a := &s.Audio
	if p.SRTP == "forced" || p.SRTP == "preferred" {
		if len(l.Crypto) == 0 {
			return nil, notAcceptable(WarnTransport, "SRTP is configured, but there is no key to offer")
		}
		// "preferred" offers the key on a plain RTP line: a peer without SRTP overlooks it, one with SRTP takes it. Offering
		// RTP/SAVP would make the first one refuse.
		a.Secure, a.Crypto = p.SRTP == "forced", slices.Clone(l.Crypto)
	}
	a.Mux = p.RTCPMultiplexing
	a.Codecs = codecs
	var clocks []int // events and noise have the clock of the codec beside them (RFC 4733 2.1, RFC 3389 4), whichever the peer takes
	for _, c := range codecs {
		if !slices.Contains(clocks, c.Rate) {
			clocks = append(clocks, c.Rate)
		}
	}
	if slices.Contains(clocks, static[13].Rate) && p.silence() {
		a.Codecs = append(a.Codecs, static[13])
	}
	for n, rate := range clocks {
		if p.dtmf() {
			a.Codecs = append(a.Codecs, Codec{PT: eventPT + uint8(n), Name: TelephoneEvent, Rate: rate, Channels: 1, Fmtp: events})
		}
	}
	return s, nil
}

// session is our description without what depends on offer or answer.
func (l Local) session(p *voip, codec Codec) *Session {
	rtcp := l.RTCPPort
	if rtcp == 0 {
		rtcp = l.Port + 1
	}
	return &Session{
		OriginUser: "-", SessionID: l.SessionID, Version: l.Version, OriginAddr: l.Addr, Addr: l.Addr,
		Audio: Audio{Addr: l.Addr, Port: l.Port, RTCPPort: rtcp, Direction: l.Direction.And(SendRecv), Ptime: p.line(codec).RxLength},
	}
}

// Answer answers a peer's offer and says what was agreed. Errors are *Error with code 488.
//
// The answer holds one audio codec, and further ones that the other leg has agreed on: packets pass to the other leg as they are, so the peer
// must not change to any other codec during the call.
func Answer(offer *Session, l Local) (*Session, *Choice, error) {
	theirs := &offer.Audio
	if theirs.Port == 0 {
		return nil, nil, notAcceptable(WarnMedia, "the offer refuses its audio stream")
	}
	p := profile(l.Profile)
	codec, ok := choose(l.codecsFor(), theirs.Codecs)
	if !ok {
		return nil, nil, notAcceptable(WarnFormat, "no codec of the offer (%s) is usable here", names(theirs.Codecs))
	}
	s := l.session(p, codec)
	s.Streams, s.Chosen = offer.Streams, offer.Chosen
	a := &s.Audio
	a.Secure, a.Feedback = theirs.Secure, theirs.Feedback
	a.Mux = theirs.Mux && p.RTCPMultiplexing // only when offered: RFC 8035 section 3
	if a.Mux {
		a.RTCPPort = a.Port
	}
	a.Direction = theirs.Direction.Reverse().And(a.Direction)
	local, remote, err := l.answerKeys(theirs, p.SRTP)
	if err != nil {
		return nil, nil, err
	}
	if local != nil {
		a.Crypto = []Crypto{*local}
	}
	a.Codecs = append([]Codec{codec}, l.beside(theirs.Codecs, codec)...)
	if cn := beside(theirs.Codecs, ComfortNoise, codec); cn != nil && p.silence() {
		a.Codecs = append(a.Codecs, *cn)
	}
	if event := beside(theirs.Codecs, TelephoneEvent, codec); event != nil && p.dtmf() {
		event.Fmtp = events
		a.Codecs = append(a.Codecs, *event)
	}
	c := agreed(a, theirs, codec)
	c.Local, c.Remote, c.Direction = local, remote, a.Direction
	return s, c, nil
}

// answerKeys picks the first of our suites that the offer has, and answers with the tag of that very line (RFC 4568 5.1.2):
// Teams offers tag 0 with the short authentication tag before tag 1 with the long one.
func (l Local) answerKeys(theirs *Audio, srtp string) (local, remote *Crypto, err error) {
	if srtp != "forced" && srtp != "preferred" {
		if theirs.Secure {
			return nil, nil, notAcceptable(WarnTransport, "the offer wants SRTP, which is not configured towards this peer")
		}
		return nil, nil, nil
	}
	for _, own := range l.Crypto {
		for i := range theirs.Crypto {
			if line := &theirs.Crypto[i]; line.Suite == own.Suite {
				ours := own
				ours.Tag = line.Tag
				return &ours, line, nil
			}
		}
	}
	if theirs.Secure || srtp == "forced" {
		return nil, nil, notAcceptable(WarnTransport, "the offer has no a=crypto line of a suite that we support")
	}
	return nil, nil, nil
}

// Accept says what a peer's answer to our offer agreed on. Errors are *Error with code 488.
func Accept(offer, answer *Session) (*Choice, error) {
	ours, theirs := &offer.Audio, &answer.Audio
	if theirs.Port == 0 {
		return nil, notAcceptable(WarnMedia, "the answer refuses the audio stream")
	}
	// The first codec of the answer is the one that the peer will use (RFC 3264 section 7).
	codec, ok := choose(theirs.Codecs, ours.Codecs)
	if !ok {
		return nil, notAcceptable(WarnFormat, "no codec of the answer (%s) was offered", names(theirs.Codecs))
	}
	c := agreed(ours, theirs, codec)
	c.Direction = ours.Direction.And(theirs.Direction.Reverse())
	for i := range theirs.Crypto {
		for j := range ours.Crypto {
			if line, own := &theirs.Crypto[i], &ours.Crypto[j]; c.Remote == nil && line.Tag == own.Tag && line.Suite == own.Suite {
				local := *own
				c.Local, c.Remote = &local, line
			}
		}
	}
	if c.Remote == nil && (ours.Secure || theirs.Secure) {
		return nil, notAcceptable(WarnTransport, "the answer has no a=crypto line with tag and suite of the offer")
	}
	return c, nil
}

// choose is the first wanted audio codec that is offered, with the number that it has in offered.
func choose(wanted, offered []Codec) (Codec, bool) {
	for _, c := range wanted {
		if !c.IsAudio() {
			continue
		}
		if found, ok := find(offered, c); ok {
			return found, true
		}
	}
	return Codec{}, false
}

// agreed is the result of both descriptions: theirs says what we send and where, ours what we receive.
func agreed(ours, theirs *Audio, codec Codec) *Choice {
	c := &Choice{Codec: codec, RxAudio: NoPT, RxDTMF: NoPT, RxCN: NoPT, Ptime: theirs.Ptime, MaxPtime: theirs.MaxPtime, Mux: ours.Mux && theirs.Mux}
	if sent, ok := find(theirs.Codecs, codec); ok {
		c.Codec = sent
	}
	if mine, ok := find(ours.Codecs, codec); ok {
		c.RxAudio = mine.PT
	}
	if mine, sent := beside(ours.Codecs, TelephoneEvent, codec), beside(theirs.Codecs, TelephoneEvent, codec); mine != nil && sent != nil {
		c.DTMF, c.RxDTMF = sent, mine.PT
	}
	if mine, sent := beside(ours.Codecs, ComfortNoise, codec), beside(theirs.Codecs, ComfortNoise, codec); mine != nil && sent != nil {
		c.CN, c.RxCN = sent, mine.PT
	}
	c.Spare, c.Claimed = spare(ours, theirs, c), claimed(theirs, codec)|claimed(ours, codec)
	c.Addr = netip.AddrPortFrom(theirs.Addr, theirs.Port)
	c.RTCPAddr = netip.AddrPortFrom(theirs.Addr, theirs.RTCPPort)
	if theirs.RTCPAddr.IsValid() {
		c.RTCPAddr = netip.AddrPortFrom(theirs.RTCPAddr, theirs.RTCPPort)
	}
	if c.Mux {
		c.RTCPAddr = c.Addr
	}
	return c
}

func names(list []Codec) string {
	text := ""
	for i, c := range list {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s/%d", c.Name, c.Rate)
	}
	if text == "" {
		return "none that is known"
	}
	return text
}
