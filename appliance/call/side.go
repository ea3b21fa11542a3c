package call

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/srtp"
)

// side is one leg of a call with its descriptions and media.
type side struct {
	which   media.Side
	leg     *sipgw.Leg // nil: none at present
	iface   *config.SIPInterface
	profile *config.VoIPProfile

	opened bool
	ports  media.Ports
	addr   netip.Addr // in descriptions: the public address where the box stands behind port forwarding

	crypto             []sdp.Crypto // ours, kept for the whole call (teams.md A.24)
	sessionID, version uint64

	local, remote *sdp.Session // last description sent and taken
	choice        *sdp.Choice  // what the last offer and answer agreed

	hop       *relayHop // media of a peer that came by transfer; nil: the call's own session
	refers    bool      // the peer allows REFER
	informs   bool      // and INFO
	referrals int       // REFERs of the peer that were accepted

	up    bool // answered
	early bool // leg A: our answer went out in a 183
	voice bool // packets have come
	holds bool // the peer has put the call on hold
	plays bool // and may send music meanwhile

	reinvite  bool          // a re-INVITE of ours is under way
	wanted    sdp.Direction // what it, or the next one, should offer
	offered   sdp.Direction // what the last one for hold or resume has offered
	refusals  int           // of such, since the last that was taken
	lastTaken []byte        // the body that remote was read from: a refresh repeats it
	retained  *agreement    // what was agreed before that re-INVITE; nil: it has not been sent
	done      func(ok bool) // is told how it went, may be nil
	later     []func()      // what waits for its end
	worn      bool          // our key is to be renewed when no re-INVITE is under way, see rekey.go

	renegotiated bool // `srtp renegotiate-on-connect` has been done
}

// secure reports whether this side has or may have SRTP: by what the peer offered, else by the profile.
func (s *side) secure() bool {
	if s.remote != nil {
		return s.remote.Audio.Secure
	}
	return sends(s.profile)
}

// sends reports whether a profile offers SRTP.
func sends(p *config.VoIPProfile) bool { return p.SRTP == "forced" || p.SRTP == "preferred" }

// suite is the crypto suite of our key: what Teams and every other peer has, unless the peer offers only others.
func (s *side) suite() string {
	if s.remote != nil {
		for _, suite := range srtp.Suites {
			for _, c := range s.remote.Audio.Crypto {
				if c.Suite == suite {
					return suite
				}
			}
		}
	}
	return srtp.AES80
}

// forget makes a side ready for another attempt: ports stay, everything that was agreed goes. A new attempt gets a key of its
// own, because the peer before knows the old one.
func (s *side) forget() {
	s.leg, s.local, s.remote, s.choice, s.crypto, s.lastTaken = nil, nil, nil, nil, nil, nil
	s.up, s.voice, s.holds, s.renegotiated, s.refers, s.informs = false, false, false, false, false, false
}

// open binds the media ports of a side.
func (c *call) open(s *side) error {
	if s.opened {
		return nil
	}
	bind := c.here(s)
	if !bind.IsValid() {
		return fmt.Errorf("interface %s has no local address", s.iface.Name)
	}
	s.addr = bind
	options := media.PortOptions{Addr: bind, TOS: trafficClass(s.iface.VoIP.In(c.cfg))}
	if gw := s.iface.Gateway.In(c.cfg); gw != nil {
		for _, g := range gw.Interfaces {
			if c.cfg.Address(g.Bind) != bind {
				continue
			}
			if g.SpoofedMedia.IsValid() {
				s.addr = g.SpoofedMedia
			}
			if ip := c.cfg.IPInterface(g.Bind.Context, g.Bind.Interface); ip != nil {
				options.First, options.Last = ip.MediaPortFirst, ip.MediaPortLast
			}
		}
	}
	session, which := c.relay(s)
	ports, err := session.Open(which, options)
	if err != nil {
		return fmt.Errorf("open media port of %s: %w", s.iface.Name, err)
	}
	s.ports, s.opened = ports, true
	return nil
}

// here is the box's address on a side: the one at which its leg stands, else the one from which it will be reached.
func (c *call) here(s *side) netip.Addr {
	if s.leg != nil {
		if a := s.leg.LocalAddr(); a.IsValid() {
			return a
		}
	}
	return c.m.SIP.LocalAddr(s.iface.ID())
}

// trafficClass is the octet that a profile's packets are marked with, as the relay takes it: negative is none.
func trafficClass(p *config.VoIPProfile) int {
	switch {
	case p == nil:
		return 0 // the relay's own choice
	case p.DSCP == 0:
		return -1
	}
	return p.DSCP << 2
}

// local is our side of the next description.
func (c *call) local(s *side) (sdp.Local, error) {
	if s.crypto == nil && s.secure() {
		k, err := sdp.NewCrypto(s.suite(), 1)
		if err != nil {
			return sdp.Local{}, fmt.Errorf("make srtp key: %w", err)
		}
		if n := s.profile.SRTPKeyLifetime; n > 0 {
			k.Lifetime = 1 << n
		}
		s.crypto = []sdp.Crypto{k}
	}
	if s.sessionID == 0 {
		var b [8]byte
		rand.Read(b[:])
		s.sessionID = binary.BigEndian.Uint64(b[:]) >> 2 // fits a signed 64-bit number, RFC 3264 5
	}
	s.version++
	return sdp.Local{
		Addr: s.addr, Port: s.ports.RTP.Port(), RTCPPort: s.ports.RTCP.Port(), Profile: s.profile, Crypto: s.crypto,
		SessionID: s.sessionID, Version: s.version,
	}, nil
}

// answerable reports why an offer could not be answered, whatever the other side says.
func (c *call) answerable(x *side) error {
	if x.remote == nil {
		return nil
	}
	local, err := c.local(x)
	if err == nil {
		x.version-- // nothing was said
		_, _, err = sdp.Answer(x.remote, local)
	}
	return err
}

// answer answers the offer of x, with the codec that y uses, and sets x's media. An answer that went out already is repeated.
func (c *call) answer(x, y *side) ([]byte, error) {
	if x.local != nil {
		return x.local.Marshal(), nil
	}
	local, err := c.local(x)
	if err != nil {
		return nil, err
	}
	if y.choice != nil {
		local.Prefer, local.Other, local.Also = y.choice.Codec.Name, agreed(y), spares(y.choice)
	} else if x.iface.LocalRingback {
		local.Other = tonal(x)
	}
	answer, choice, err := sdp.Answer(x.remote, local)
	if err != nil {
		return nil, err
	}
	x.local, x.choice = answer, choice
	return answer.Marshal(), c.apply(x)
}

// offer makes an offer to x with what y uses.
func (c *call) offer(x, y *side) ([]byte, error) {
	local, err := c.local(x)
	if err != nil {
		return nil, err
	}
	if y.choice != nil {
		local.Prefer, local.Other = y.choice.Codec.Name, agreed(y)
	}
	if x.local, err = sdp.Offer(local); err != nil {
		return nil, err
	}
	return x.local.Marshal(), nil
}

// answered takes the answer to an offer of ours, when body holds one, and sets the media. An error says that it holds one that cannot be
// used: then what an earlier response said does not count either.
func (c *call) answered(s *side, contentType string, body []byte) (ok bool, err error) {
	if len(body) == 0 || s.local == nil {
		return false, nil
	}
	if bytes.Equal(body, s.lastTaken) {
		return true, nil // the 200 repeats the 183
	}
	answer, err := c.described(s, contentType, body, false)
	if err == nil && answer == nil {
		return false, nil // another kind of body
	}
	var choice *sdp.Choice
	if err == nil {
		choice, err = sdp.Accept(s.local, answer)
	}
	if err != nil {
		c.log.Warn("answer not usable", "leg", s.which.String(), "err", err)
		return false, err
	}
	s.remote, s.choice, s.lastTaken = answer, choice, bytes.Clone(body)
	if err := c.apply(s); err != nil {
		c.log.Warn("media not set", "leg", s.which.String(), "err", err)
		return false, err
	}
	return true, nil
}

// apply tells the relay what a side has agreed. The ports of one whose call is being transferred may be the new peer's already.
func (c *call) apply(s *side) error {
	if t := c.transfer; t != nil && t.heard && s == t.x {
		return nil
	}
	if err := c.set(s, s.choice, s.choice.Direction); err != nil {
		return err
	}
	c.toneGoesOn(s)
	return nil
}

// set tells the relay what a side has agreed, with a direction of its own.
func (c *call) set(s *side, ch *sdp.Choice, d sdp.Direction) error {
	p := media.Params{
		Remote: ch.Addr, RemoteRTCP: ch.RTCPAddr, Mux: ch.Mux,
		LocalKey: key(ch.Local), RemoteKey: key(ch.Remote),
		Send: d.CanSend(), Receive: d.CanReceive(),
		AudioPT: ch.Codec.PT, DTMFPT: pt(ch.DTMF), CNPT: pt(ch.CN),
		Received: &media.PayloadTypes{Audio: ch.RxAudio, DTMF: ch.RxDTMF, CN: ch.RxCN},
		Codec:    name(ch.Codec), Spare: spareFormats(ch), Claimed: ch.Claimed,
		Rate: ch.Codec.Rate, Voice: ch.Codec.Voice(), Ptime: time.Duration(ch.PacketTime(s.profile)) * time.Millisecond,
		Suppress: ch.CN != nil, // agreed only when the profile says silence-suppression
		Latch:    media.LatchHost, Admit: c.admit(s),
	}
	if p.LocalKey != nil && s.profile.SRTPKeyLifetime > 0 {
		p.LocalKey.Lifetime = ch.Local.Lifetime
	}
	session, which := c.relay(s)
	if err := session.Set(which, p); err != nil || s.hop == nil {
		return err
	}
	return s.hop.connect(c, s)
}

func key(k *sdp.Crypto) *srtp.Key {
	if k == nil {
		return nil
	}
	return &srtp.Key{Suite: k.Suite, Master: k.Key, MKI: k.MKI}
}

// name tells codecs apart for the relay.
func name(c sdp.Codec) string { return fmt.Sprintf("%s/%d/%d", c.Name, c.Rate, max(c.Channels, 1)) }

// spareFormats are the further formats of a side as the relay takes them.
func spareFormats(ch *sdp.Choice) (list []media.Format) {
	for _, f := range ch.Spare {
		list = append(list, media.Format{Received: f.Rx, Wanted: f.PT, Codec: name(f.Codec), Voice: f.Codec.Voice()})
	}
	return list
}

func pt(c *sdp.Codec) uint8 {
	if c == nil {
		return media.NoPT
	}
	return c.PT
}
