// Package callside is one side of a call: the leg, what its peer and the box have agreed, its media ports, and where its media flows.
//
// It owns how these belong together: which address and ports a side has, which media session serves it, what an agreement sets there, and the value
// of a side for another box. It does not own what a call does with its two sides (package call), nor legs (sipgw), offer and answer (negotiation),
// and packets (media). It has no goroutines; a side belongs to the goroutine of its call.
package callside

import (
	"fmt"
	"net/netip"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/mediaterms"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/reach"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// Media is the part of a media relay that calls use.
type Media interface {
	NewSession() Session
	Restore(s media.State, m media.Marks, since time.Duration) (Session, error)
}

// Session is the part of a media.Session that a call uses.
type Session interface {
	Notify(func(media.Event))
	Open(media.Side, media.PortOptions) (media.Ports, error)
	Set(media.Side, media.Params) error
	Listen(func(media.Heard))
	Press(to media.Side, event uint8, length time.Duration) error
	Ring(to media.Side, on bool) error
	Stats(media.Side) media.Stats
	Close() [2]media.Stats
	State() media.State
	Marks() media.Marks
}

// Env is what the sides of a call share.
type Env struct {
	Config    *config.Config
	LocalAddr func(config.InterfaceID) netip.Addr // of the next leg at an interface
	Media     Media
	Own       Session // the call's own
}

// Side is one leg of a call with its descriptions and media.
type Side struct {
	Which     media.Side
	Leg       *sipgw.Leg // nil: none at present
	Interface *config.SIPInterface
	Profile   *config.VoIPProfile
	negotiation.Negotiation

	Ports media.Ports
	Addr  netip.Addr // in descriptions: the public address where the box stands behind port forwarding

	Hop       *Hop // media of a peer that came by transfer; nil: the call's own session
	Refers    bool // the peer allows REFER
	Informs   bool // and INFO
	Referrals int  // REFERs of the peer that were accepted
	Line      Line // of the phone that the peer is

	Voice        bool // packets have come
	Renegotiated bool // `srtp renegotiate-on-connect` has been done
}

// Line says whose phone is on a side.
type Line struct {
	Identity string // "": no phone is
	Began    bool   // the phone has called; else it was called
}

// Forget makes a side ready for another attempt: the ports stay.
func (s *Side) Forget() {
	s.Reset()
	*s = Side{Which: s.Which, Interface: s.Interface, Profile: s.Profile, Ports: s.Ports, Addr: s.Addr, Hop: s.Hop, Negotiation: s.Negotiation}
}

// Opened reports whether the side has media ports.
func (s *Side) Opened() bool { return s.Ports.RTP.IsValid() }

// Terms are what the side brings into its descriptions.
func (s *Side) Terms() negotiation.Terms {
	return negotiation.Terms{Addr: s.Addr, RTP: s.Ports.RTP.Port(), RTCP: s.Ports.RTCP.Port(), Profile: s.Profile}
}

// Open binds the media ports of a side.
func (s *Side) Open(e Env) error {
	if s.Opened() {
		return nil
	}
	bind := s.LocalAddr(e)
	if !bind.IsValid() {
		return fmt.Errorf("interface %s has no local address", s.Interface.Name)
	}
	s.Addr = bind
	options := media.PortOptions{Addr: bind, TOS: mediaterms.TrafficClass(s.Interface.VoIP.In(e.Config))}
	if gw := s.Interface.Gateway.In(e.Config); gw != nil {
		for _, g := range gw.Interfaces {
			if e.Config.Address(g.Bind) != bind {
				continue
			}
			if g.SpoofedMedia.IsValid() {
				s.Addr = g.SpoofedMedia
			}
			if ip := e.Config.IPInterface(g.Bind.Context, g.Bind.Interface); ip != nil {
				options.First, options.Last = ip.MediaPortFirst, ip.MediaPortLast
			}
		}
	}
	session, which := s.Relay(e)
	ports, err := session.Open(which, options)
	if err != nil {
		return fmt.Errorf("open media port of %s: %w", s.Interface.Name, err)
	}
	s.Ports = ports
	return nil
}

// LocalAddr is the box's address on a side: that of its leg, or the one that its next leg will have.
func (s *Side) LocalAddr(e Env) netip.Addr {
	if s.Leg != nil {
		if a := s.Leg.LocalAddr(); a.IsValid() {
			return a
		}
	}
	return e.LocalAddr(s.Interface.ID())
}

// Relay is the media session of a side, and the side that it is there.
func (s *Side) Relay(e Env) (Session, media.Side) {
	if s.Hop != nil {
		return s.Hop.Session, media.B
	}
	return e.Own, s.Which
}

// Set sets the media of a side, with a direction of its own.
func (s *Side) Set(e Env, ch *sdp.Choice, d sdp.Direction) error {
	p := mediaterms.Of(ch, d, s.Profile)
	p.Admit = s.reach(e).Admits
	session, which := s.Relay(e)
	if err := session.Set(which, p); err != nil || s.Hop == nil {
		return err
	}
	return s.Hop.connect(e.Own, s)
}

// reach is the rule for where the media of a side may go.
func (s *Side) reach(e Env) reach.Rule {
	return reach.Rule{Config: e.Config, Local: s.LocalAddr(e), Interface: s.Interface}
}

// Described reads a description of a side's peer. Of the streams in an offer it takes the one that the interface can answer.
func (s *Side) Described(e Env, contentType string, body []byte, offer bool) (*sdp.Session, error) {
	d, err := sdp.ParseBody(contentType, body)
	if err != nil || d == nil {
		return nil, err
	}
	if r := s.reach(e); offer {
		err = d.Suit(s.Profile, r.Check)
	} else {
		err = r.Check(&d.Audio)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}
