// Package reach says where the media of an interface's peer may go to and come from.
//
// A description is not believed: a peer could otherwise aim our packets at the box itself, at a host of the other side's network, or at any
// host on the internet. Media goes only to hosts on the interface's own side of the network and never to a port below 1024. For a peer with
// `trust microsoft-teams` it goes to Microsoft's networks (teams.md A.39). `media trust` names networks for other peers, and adds to
// Microsoft's.
//
// It does not own what a side of the network is (config.Reach), nor descriptions (package sdp). It has no goroutines.
package reach

import (
	"fmt"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/sdp"
)

// Rule is the rule for the media of one interface.
type Rule struct {
	Config    *config.Config
	Local     netip.Addr // of ours, towards the peer
	Interface *config.SIPInterface
}

// lowest is the lowest port that media is sent to. Ports below it belong to services.
const lowest = 1024

const (
	systemPort config.Obstacle = "is asked for at a port below 1024"
	notTrusted config.Obstacle = "is in none of the networks that this peer's media is in"
)

// obstacle says why media cannot go to, or come from, an address; "" when it can. The relay calls it for packets, so it allocates
// nothing.
func (r Rule) obstacle(to netip.AddrPort) config.Obstacle {
	switch {
	case to.Port() < lowest:
		return systemPort
	case !r.trusts(to.Addr()):
		return notTrusted
	}
	return r.Config.Reach(r.Local, to.Addr())
}

// Admits reports whether media may come from an address.
func (r Rule) Admits(from netip.AddrPort) bool { return r.obstacle(from) == "" }

func (r Rule) trusts(a netip.Addr) bool {
	teams := slices.ContainsFunc(r.Interface.Trust, func(s config.Source) bool { return s.Teams })
	if !teams && len(r.Interface.MediaTrust) == 0 {
		return true
	}
	if teams && slices.ContainsFunc(config.TeamsMedia, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	return slices.ContainsFunc(r.Interface.MediaTrust, func(n config.ACLHost) bool { return n.Holds(a) })
}

// Check refuses a stream whose address cannot be reached. No call is better than a silent one, and the peer can try another address.
// An unreachable address for RTCP alone costs only that address: RTCP then goes where RTP goes.
func (r Rule) Check(a *sdp.Audio) error {
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
