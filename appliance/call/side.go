package call

import (
	"fmt"
	"net/netip"

	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/mediaterms"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// side is one leg of a call with its descriptions and media.
type side struct {
	which   media.Side
	leg     *sipgw.Leg // nil: none at present
	iface   *config.SIPInterface
	profile *config.VoIPProfile
	negotiation.Negotiation

	ports media.Ports
	addr  netip.Addr // in descriptions: the public address where the box stands behind port forwarding

	hop       *relayHop // media of a peer that came by transfer; nil: the call's own session
	refers    bool      // the peer allows REFER
	informs   bool      // and INFO
	referrals int       // REFERs of the peer that were accepted
	line      line      // of the phone that the peer is

	voice        bool // packets have come
	renegotiated bool // `srtp renegotiate-on-connect` has been done
}

// forget makes a side ready for another attempt: the ports stay.
func (s *side) forget() {
	s.Reset()
	*s = side{which: s.which, iface: s.iface, profile: s.profile, ports: s.ports, addr: s.addr, hop: s.hop, Negotiation: s.Negotiation}
}

// opened reports whether the side has media ports.
func (s *side) opened() bool { return s.ports.RTP.IsValid() }

// terms are what the side brings into its descriptions.
func (s *side) terms() negotiation.Terms {
	return negotiation.Terms{Addr: s.addr, RTP: s.ports.RTP.Port(), RTCP: s.ports.RTCP.Port(), Profile: s.profile}
}

// open binds the media ports of a side.
func (c *call) open(s *side) error {
	if s.opened() {
		return nil
	}
	bind := c.localAddr(s)
	if !bind.IsValid() {
		return fmt.Errorf("interface %s has no local address", s.iface.Name)
	}
	s.addr = bind
	options := media.PortOptions{Addr: bind, TOS: mediaterms.TrafficClass(s.iface.VoIP.In(c.cfg))}
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
	s.ports = ports
	return nil
}

// localAddr is the box's address on a side: that of its leg, or the one that its next leg will have.
func (c *call) localAddr(s *side) netip.Addr {
	if s.leg != nil {
		if a := s.leg.LocalAddr(); a.IsValid() {
			return a
		}
	}
	return c.m.SIP.LocalAddr(s.iface.ID())
}

// answer answers the offer of x with the codec that y uses, and sets x's media. An answer that was sent is repeated.
func (c *call) answer(x, y *side) ([]byte, error) {
	if x.Local() != nil {
		return x.Local().Marshal(), nil
	}
	local, err := x.Draft(x.terms())
	if err != nil {
		return nil, err
	}
	if uses := y.Choice(); uses != nil {
		local.Prefer, local.Other, local.Also = uses.Codec.Name, uses.Codecs(), uses.Spares()
	} else if x.iface.LocalRingback {
		local.Other = tonal(x)
	}
	answer, err := x.Answer(local)
	if err != nil {
		return nil, err
	}
	return answer, c.apply(x)
}

// offer makes an offer to x with the codecs that y uses.
func (c *call) offer(x, y *side) ([]byte, error) {
	local, err := x.Draft(x.terms())
	if err != nil {
		return nil, err
	}
	if uses := y.Choice(); uses != nil {
		local.Prefer, local.Other = uses.Codec.Name, uses.Codecs()
	}
	return x.Offer(local)
}

// answered takes the answer to an offer of ours, if body holds one, and sets the media. With an error the answer cannot be used, and
// the answer of an earlier response does not count either.
func (c *call) answered(s *side, contentType string, body []byte) (ok bool, err error) {
	if len(body) == 0 || s.Local() == nil {
		return false, nil
	}
	if s.Repeats(body) {
		return true, nil // the 200 repeats the 183
	}
	answer, err := c.described(s, contentType, body, false)
	if err == nil && answer == nil {
		return false, nil // another kind of body
	}
	if err == nil {
		err = s.TakeAnswer(answer, body)
	}
	if err != nil {
		c.log.Warn("answer not usable", "leg", s.which.String(), "err", err)
		return false, err
	}
	if err := c.apply(s); err != nil {
		c.log.Warn("media not set", "leg", s.which.String(), "err", err)
		return false, err
	}
	return true, nil
}

// apply sets the media of a side as agreed. During a transfer its ports may already serve the new peer.
func (c *call) apply(s *side) error {
	c.noteHold()
	if t := c.transfer; t != nil && t.state.Heard() && s == t.x {
		return nil
	}
	if err := c.set(s, s.Choice(), s.Choice().Direction); err != nil {
		return err
	}
	c.resumeTone(s)
	return nil
}

// set sets the media of a side, with a direction of its own.
func (c *call) set(s *side, ch *sdp.Choice, d sdp.Direction) error {
	p := mediaterms.Of(ch, d, s.profile)
	p.Admit = c.admit(s)
	c.changed()
	session, which := c.relay(s)
	if err := session.Set(which, p); err != nil || s.hop == nil {
		return err
	}
	return s.hop.connect(c, s)
}
