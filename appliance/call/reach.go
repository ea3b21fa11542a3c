package call

import (
	"fmt"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipmsg"
)

// Where media may go. A description is not believed: a peer could otherwise aim our packets at the box itself, at a host of the
// other side's network, or at any host on the internet. Media goes only to hosts on the interface's own side of the network and
// never to a port below 1024. For a peer with `trust microsoft-teams` it goes to Microsoft's networks (teams.md A.39). `media trust`
// names networks for other peers, and adds to Microsoft's.

// reach is the rule for the media of one interface.
type reach struct {
	cfg   *config.Config
	local netip.Addr
	iface *config.SIPInterface
}

func (c *call) reachOf(s *side) reach { return reach{c.cfg, c.localAddr(s), s.iface} }

// lowest is the lowest port that media is sent to. Ports below it belong to services.
const lowest = 1024

const (
	systemPort config.Obstacle = "is asked for at a port below 1024"
	notTrusted config.Obstacle = "is in none of the networks that this peer's media is in"
)

// obstacle says why media cannot go to, or come from, an address; "" when it can. The relay calls it for packets, so it allocates
// nothing.
func (r reach) obstacle(to netip.AddrPort) config.Obstacle {
	switch {
	case to.Port() < lowest:
		return systemPort
	case !r.trusts(to.Addr()):
		return notTrusted
	}
	return r.cfg.Reach(r.local, to.Addr())
}

func (r reach) admits(from netip.AddrPort) bool { return r.obstacle(from) == "" }

func (r reach) trusts(a netip.Addr) bool {
	teams := slices.ContainsFunc(r.iface.Trust, func(s config.Source) bool { return s.Teams })
	if !teams && len(r.iface.MediaTrust) == 0 {
		return true
	}
	if teams && slices.ContainsFunc(config.TeamsMedia, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	return slices.ContainsFunc(r.iface.MediaTrust, func(n config.ACLHost) bool { return n.Holds(a) })
}

// check refuses a stream whose address cannot be reached. No call is better than a silent one, and the peer can try another address.
// An unreachable address for RTCP alone costs only that address: RTCP then goes where RTP goes.
func (r reach) check(a *sdp.Audio) error {
	if a.RTCPAddr.IsValid() && r.obstacle(netip.AddrPortFrom(a.RTCPAddr, max(a.RTCPPort, lowest))) != "" {
		a.RTCPAddr = netip.Addr{}
	}
	if a.RTCPPort < lowest {
		a.RTCPPort = 0
		if a.Port < 65535 {
			a.RTCPPort = a.Port + 1
		}
	}
	if a.Port == 0 || a.Held {
		return nil
	}
	o := r.obstacle(netip.AddrPortFrom(a.Addr, a.Port))
	if o == "" {
		return nil
	}
	e := &sdp.Error{Code: 488, Text: fmt.Sprintf("media address %s %s", a.Addr, o), Warning: sdp.WarnAddress}
	switch o {
	case config.OtherFamily:
		e.Warning = sdp.WarnNetwork
	case config.Multicast:
		e.Warning = sdp.WarnMulticast
	}
	return e
}

// described reads a description of a side's peer. Of the streams in an offer it takes the one that the interface can answer.
func (c *call) described(s *side, contentType string, body []byte, offer bool) (*sdp.Session, error) {
	d, err := sdp.ParseBody(contentType, body)
	if err != nil || d == nil {
		return nil, err
	}
	if r := c.reachOf(s); offer {
		err = d.Suit(s.profile, r.check)
	} else {
		err = r.check(&d.Audio)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// admit is the same rule for sources that the relay learns.
func (c *call) admit(s *side) func(netip.AddrPort) bool { return c.reachOf(s).admits }

// warning is the Warning header of a failure (RFC 3261 20.43).
func warning(f callFailure) []sipmsg.Header {
	if f.warning == 0 {
		return nil
	}
	return []sipmsg.Header{{Name: "Warning", Value: fmt.Sprintf("%d sbc %q", f.warning, f.text)}}
}
