package call

import (
	"net/netip"

	"viaduct/appliance/reach"
	"viaduct/appliance/sdp"
)

// reach is the rule for where the media of a side may go.
func (c *call) reach(s *side) reach.Rule {
	return reach.Rule{Config: c.cfg, Local: c.localAddr(s), Interface: s.iface}
}

// described reads a description of a side's peer. Of the streams in an offer it takes the one that the interface can answer.
func (c *call) described(s *side, contentType string, body []byte, offer bool) (*sdp.Session, error) {
	d, err := sdp.ParseBody(contentType, body)
	if err != nil || d == nil {
		return nil, err
	}
	if r := c.reach(s); offer {
		err = d.Suit(s.profile, r.Check)
	} else {
		err = r.Check(&d.Audio)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// admit is the same rule for sources that the relay learns.
func (c *call) admit(s *side) func(netip.AddrPort) bool { return c.reach(s).Admits }
