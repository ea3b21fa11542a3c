package call

import (
	"viaduct/appliance/callside"
	"viaduct/appliance/media"
	"viaduct/appliance/sdp"
)

// side is one of a call.
type side = callside.Side

// MediaSession and Media are of the relay.
type (
	MediaSession = callside.Session
	Media        = callside.Media
)

// env is what the sides share.
func (c *call) env() callside.Env {
	return callside.Env{Config: c.cfg, LocalAddr: c.m.SIP.LocalAddr, Media: c.m.Media, Own: c.media}
}

// answer answers the offer of x with the codec that y uses, and sets x's media. An answer that was sent is repeated.
func (c *call) answer(x, y *side) ([]byte, error) {
	if x.Local() != nil {
		return x.Text(), nil
	}
	local, err := x.Draft(x.Terms())
	if err != nil {
		return nil, err
	}
	if uses := y.Choice(); uses != nil {
		local.Prefer, local.Other, local.Also = uses.Codec.Name, uses.Codecs(), uses.Spares()
	} else if x.Interface.LocalRingback {
		local.Other = x.Tonal()
	}
	answer, err := x.Answer(local)
	if err != nil {
		return nil, err
	}
	return answer, c.apply(x)
}

// offer makes an offer to x with the codecs that y uses.
func (c *call) offer(x, y *side) ([]byte, error) {
	local, err := x.Draft(x.Terms())
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
		c.log.Warn("answer not usable", "leg", s.Which.String(), "err", err)
		return false, err
	}
	if err := c.apply(s); err != nil {
		c.log.Warn("media not set", "leg", s.Which.String(), "err", err)
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
	c.changed()
	return s.Set(c.env(), ch, d)
}

// described reads a description of a side's peer.
func (c *call) described(s *side, contentType string, body []byte, offer bool) (*sdp.Session, error) {
	return s.Described(c.env(), contentType, body, offer)
}

// relay is the media session of a side, and the side that it is there.
func (c *call) relay(s *side) (MediaSession, media.Side) { return s.Relay(c.env()) }

// takePorts gives a new side n the media ports of x.
func (c *call) takePorts(n, x *side) error { return n.TakePorts(c.env(), x, c.hearHop) }

// hearHop has the call hear the events of a hop. Voice and silence of its peer show at the call's own session, too.
func (c *call) hearHop(b *callside.Hop) {
	b.Session.Notify(func(e media.Event) {
		c.Post(func() {
			for _, s := range []*side{&c.a, &c.b} {
				switch {
				case s.Hop != b:
				case e.Kind == media.Moved:
					c.m.keeper.Mark(c.id)
				case e.Kind == media.KeyUsed && e.Side == media.B:
					c.rekey(s)
				}
			}
		})
	})
}

// closeMedia gives all ports back and returns the final figures of both sides. A side behind a hop has the figures of its peer, not
// of the path between our own ports.
func (c *call) closeMedia() [2]media.Stats {
	final := c.media.Close()
	for _, s := range []*side{&c.a, &c.b} {
		if s.Hop != nil {
			final[s.Which] = s.Hop.Session.Close()[media.B]
			s.CloseHop()
		}
	}
	return final
}

// at is the side that the relay calls so.
func (c *call) at(which media.Side) *side {
	if which == media.A {
		return &c.a
	}
	return &c.b
}

// beyond is the other side of x.
func (c *call) beyond(x *side) *side { return c.at(media.B - x.Which) }
