// Package negotiation is offer and answer (RFC 3264) for one side of a call: the descriptions sent and taken, our keys, the
// agreement, the re-INVITE of ours that is under way, and hold.
//
// It decides when an offer may be made, what stays in force when an offer is refused, and whether a description repeats an earlier
// one. It does not own the text of descriptions (package sdp), nor legs, ports and the relay. Package call tells it what the other
// side of the call wants. It is state only: no goroutines, no clock, no I/O (a new key reads crypto/rand). Its value can be written
// out (State) for a second box.
package negotiation

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"

	"viaduct/appliance/config"
	"viaduct/appliance/sdp"
	"viaduct/appliance/srtp"
)

// Negotiation is the offer/answer state of one side. The zero value has agreed nothing.
type Negotiation struct {
	origin
	agreement
	remote *sdp.Session // last description taken
	choice *sdp.Choice  // what the last offer and answer agreed
	hold
	reinvite
}

// origin is session and version of the o= line in our descriptions.
type origin struct{ sessionID, version uint64 }

// agreement stays in force when an offer of ours is refused.
type agreement struct {
	local     *sdp.Session // last description sent
	text      []byte       // that, as it was written; nil: see Text
	keys      []sdp.Crypto // ours, kept for the whole call (teams.md A.24)
	lastTaken []byte       // the body that remote was read from: a refresh repeats it
}

// Terms are the parts of a description that its side brings.
type Terms struct {
	Addr      netip.Addr
	RTP, RTCP uint16 // ports
	Profile   *config.VoIPProfile
}

// Reset makes the side ready for another peer. It drops the agreement and our key, which the old peer knows. The session of the o=
// line goes on.
func (n *Negotiation) Reset() { *n = Negotiation{origin: n.origin} }

// Local is the last description sent, Remote the last one taken, Choice their agreement. Nil: there is none.
func (n *Negotiation) Local() *sdp.Session  { return n.local }
func (n *Negotiation) Remote() *sdp.Session { return n.remote }
func (n *Negotiation) Choice() *sdp.Choice  { return n.choice }

// Text is Local as it is sent, each time the same. It is not to be changed.
func (n *Negotiation) Text() []byte {
	if n.text == nil && n.local != nil {
		n.text = n.local.Marshal()
	}
	return n.text
}

// say has a description be our last one.
func (n *Negotiation) say(s *sdp.Session) []byte {
	n.local, n.text = s, nil
	return n.Text()
}

// OffersSRTP reports whether a profile offers SRTP.
func OffersSRTP(p *config.VoIPProfile) bool { return p.SRTP == "forced" || p.SRTP == "preferred" }

// Secure reports whether the side has SRTP or may get it. The agreement says so, before it the peer's offer, before that the
// profile.
func (n *Negotiation) Secure(p *config.VoIPProfile) bool {
	if n.choice != nil {
		return n.choice.Local != nil
	}
	return n.wantsKey(p)
}

func (n *Negotiation) wantsKey(p *config.VoIPProfile) bool {
	if n.remote != nil {
		return n.remote.Audio.Secure
	}
	return OffersSRTP(p)
}

// suite is the crypto suite of our key: the one that Teams and most peers have, unless the peer offers only others.
func (n *Negotiation) suite() string {
	if n.remote != nil {
		for _, suite := range srtp.Suites {
			for _, c := range n.remote.Audio.Crypto {
				if c.Suite == suite {
					return suite
				}
			}
		}
	}
	return srtp.AES80
}

// Draft begins our next description. The caller adds the needs of the other side before it calls Offer or Answer.
func (n *Negotiation) Draft(t Terms) (sdp.Local, error) {
	if n.keys == nil && n.wantsKey(t.Profile) {
		k, err := sdp.NewCrypto(n.suite(), 1)
		if err != nil {
			return sdp.Local{}, fmt.Errorf("make srtp key: %w", err)
		}
		if e := t.Profile.SRTPKeyLifetime; e > 0 {
			k.Lifetime = 1 << e
		}
		n.keys = []sdp.Crypto{k}
	}
	if n.sessionID == 0 {
		var b [8]byte
		rand.Read(b[:])
		n.sessionID = binary.BigEndian.Uint64(b[:]) >> 2 // fits a signed 64-bit number, RFC 3264 5
	}
	n.version++
	return sdp.Local{
		Addr: t.Addr, Port: t.RTP, RTCPPort: t.RTCP, Profile: t.Profile, Crypto: n.keys, SessionID: n.sessionID, Version: n.version,
	}, nil
}

// Codecs are the codecs that we would offer.
func (n *Negotiation) Codecs(t Terms) ([]sdp.Codec, error) {
	l, err := n.Draft(t)
	if err != nil {
		return nil, err
	}
	offer, err := sdp.Offer(l)
	if err != nil {
		return nil, err
	}
	return offer.Audio.Codecs, nil
}

// Answerable reports why the peer's offer cannot be answered, whatever the other side of the call needs.
func (n *Negotiation) Answerable(t Terms) error {
	if n.remote == nil {
		return nil
	}
	l, err := n.Draft(t)
	if err == nil {
		n.version-- // nothing was said
		_, _, err = sdp.Answer(n.remote, l)
	}
	return err
}

// Offer makes an offer. It becomes our last description.
func (n *Negotiation) Offer(l sdp.Local) ([]byte, error) {
	offer, err := sdp.Offer(l)
	if err != nil {
		return nil, err
	}
	n.lastTaken = nil
	return n.say(offer), nil
}

// OfferAgain offers the codecs in use, in another direction.
func (n *Negotiation) OfferAgain(t Terms, d sdp.Direction) ([]byte, error) {
	return n.offerLike(t, n.choice, d)
}

// offerLike offers the codecs of a choice, with our keys and ports.
func (n *Negotiation) offerLike(t Terms, like *sdp.Choice, d sdp.Direction) ([]byte, error) {
	l, err := n.Draft(t)
	if err != nil {
		return nil, err
	}
	if like != nil {
		l.Prefer, l.Other = like.Codec.Name, like.Codecs()
	}
	l.Direction = d
	return n.Offer(l)
}

// TakeOffer notes an offer of the peer for a later answer. Nil: the peer wants our offer.
func (n *Negotiation) TakeOffer(offer *sdp.Session) { n.remote = offer }

// Answer answers the peer's offer.
func (n *Negotiation) Answer(l sdp.Local) ([]byte, error) {
	answer, choice, err := sdp.Answer(n.remote, l)
	if err != nil {
		return nil, err
	}
	n.choice = choice
	return n.say(answer), nil
}

// Reanswer answers an offer inside the dialog with the codec and key in use. An error leaves everything as it was.
func (n *Negotiation) Reanswer(offer *sdp.Session, t Terms, d sdp.Direction) ([]byte, error) {
	version, was := n.version, n.remote
	n.remote = offer
	l, err := n.Draft(t)
	if err != nil {
		n.version, n.remote = version, was
		return nil, err
	}
	if c := n.choice; c != nil {
		l.Prefer, l.Other, l.Also = c.Codec.Name, []sdp.Codec{c.Codec}, c.Spares()
	}
	l.Direction = d
	answer, choice, err := sdp.Answer(offer, l)
	if err != nil {
		n.version, n.remote = version, was
		return nil, err
	}
	if n.local != nil {
		// RFC 3264 8: the version counts changes, not answers.
		same := *answer
		same.Version = version
		if bytes.Equal(same.Marshal(), n.Text()) {
			answer, n.version = &same, version
		}
	}
	n.choice = choice
	return n.say(answer), nil
}

// TakeAnswer takes the peer's answer to our offer, which was read from body.
func (n *Negotiation) TakeAnswer(answer *sdp.Session, body []byte) error {
	choice, err := sdp.Accept(n.local, answer)
	if err != nil {
		return err
	}
	n.remote, n.choice = answer, choice
	n.Remember(body)
	return nil
}

// Remember notes the body of the last description taken.
func (n *Negotiation) Remember(body []byte) { n.lastTaken = bytes.Clone(body) }

// Repeats reports whether a body is the same as that of the last description taken.
func (n *Negotiation) Repeats(body []byte) bool { return bytes.Equal(body, n.lastTaken) }
