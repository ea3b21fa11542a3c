// Package callkeep is what the standby box of a pair keeps of an established call: its value, how that is written, and who says when it is
// kept or forgotten.
//
// It owns the form of a kept call, and the table of calls that are kept, with the marks of their media, which it sends again and again. It does
// not own what a call does with its value (package call), nor the state of a leg, of a negotiation, of media and of a record (sipgw, negotiation,
// media, callrecord), nor the way to the other box (pair/link).
//
// It has one goroutine, Keeper.Run; its lock guards the table. ReadAll has some more while it reads.
package callkeep

import (
	"iter"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"viaduct/appliance/callrecord"
	"viaduct/appliance/callstate"
	"viaduct/appliance/config"
	"viaduct/appliance/media"
	"viaduct/appliance/negotiation"
	"viaduct/appliance/pair"
	"viaduct/appliance/party"
	"viaduct/appliance/route"
	"viaduct/appliance/sdp"
	"viaduct/appliance/sipgw"
)

// Call is an established call as a value. What the configuration gives is not part of it: both boxes have the same.
type Call struct {
	ID      string           `json:"id"`
	State   callstate.State  `json:"state"` // Connected or Held
	Sides   [2]Side          `json:"sides"` // caller's, callee's
	Media   media.State      `json:"media"`
	Record  callrecord.State `json:"record"`
	Goes    *Destination     `json:"goes,omitempty"` // nil: nobody was hunted for
	Origin  Origin           `json:"origin"`
	Carried [2]string        `json:"carried"`     // the identity that takes part on each side
	Lamps   int              `json:"lamps"`       // that there were until now
	Holds   Holds            `json:"holds"`       // of the licenses
	Urgent  bool             `json:"u,omitempty"` // an emergency call
	Back    bool             `json:"b,omitempty"` // it was referred back to its peer
	Joined  *Joined          `json:"j,omitempty"` // with another call; nil: with none
}

// Interface is the identity of a SIP interface.
type Interface config.InterfaceID

// Side is one leg of a call with its descriptions and media.
type Side struct {
	Leg          *sipgw.LegState   `json:"leg,omitempty"` // nil: it has left, see Joined
	Interface    Interface         `json:"if"`
	Negotiation  negotiation.State `json:"sdp"`
	Ports        media.Ports       `json:"ports"`
	Addr         netip.Addr        `json:"addr"`          // in descriptions
	Hop          *Hop              `json:"hop,omitempty"` // nil: its media is that of the call
	Refers       bool              `json:"refers,omitempty"`
	Informs      bool              `json:"informs,omitempty"`
	Referrals    int               `json:"referrals,omitempty"`
	Identity     string            `json:"identity,omitempty"` // of the phone that the peer is
	Began        bool              `json:"began,omitempty"`    // the phone has called
	Renegotiated bool              `json:"renegotiated,omitempty"`
}

// Hop is a second media session behind a side.
type Hop struct {
	Media        media.State `json:"media"`
	Inner, Outer media.Ports
}

// Destination is who has answered: the properties that routing made, and where to.
type Destination struct {
	Interface Interface         `json:"if"`
	Call      route.Call        `json:"call"`
	Written   []config.Property `json:"written,omitempty"`
}

// Origin is what the caller's INVITE said of the way before.
type Origin struct {
	Forwards int            `json:"forwards"`
	Hops     int            `json:"hops"`
	Diverted party.Diverted `json:"diverted"`
}

// Holds is what a call holds of the licenses.
type Holds struct {
	Sessions int `json:"sessions,omitempty"` // 0: an emergency call without
	Channels int `json:"channels,omitempty"`
}

// Joined is a call that an attended transfer has joined with another one.
type Joined struct {
	Other  string          `json:"other"`
	Side   media.Side      `json:"side"` // that is connected to the other call
	Agreed *sdp.Choice     `json:"agreed"`
	Left   *sipgw.LegState `json:"left,omitempty"` // of the peer that has left, and is yet to be ended
}

// Read is a kept call that has been read.
type Read struct {
	pair.Kept
	Call *Call
	Err  error
}

// ReadAll reads calls, as many at a time as there are processors: people hear nothing until it returns.
func ReadAll(kept iter.Seq[pair.Kept]) (list []Read) {
	for k := range kept {
		list = append(list, Read{Kept: k})
	}
	var next atomic.Int64
	var readers sync.WaitGroup
	for range min(len(list), runtime.GOMAXPROCS(0)) {
		readers.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(list)); n = next.Add(1) - 1 {
				list[n].Call, list[n].Err = Unmarshal(list[n].Value)
			}
		})
	}
	readers.Wait()
	return list
}
