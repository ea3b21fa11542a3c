// Package lamps is what lamps of other phones are told of the calls of a phone (RFC 4235), and pick up with: of one call, whose legs with phones
// they show.
//
// It owns what was told of a leg, so that a state is told once and its end in any case. It does not own how far a leg has come (package call) nor
// how lamps hear of it (package sipevent). Its values belong to the goroutine of their call.
package lamps

import (
	"slices"
	"strconv"

	"viaduct/appliance/dialoginfo"
	"viaduct/appliance/sipmsg"
)

// Tell tells what has changed on the line of a phone: of an identity of a location.
type Tell func(location, identity string, d dialoginfo.Dialog)

// Lamps are those of a call.
type Lamps struct {
	Lit  int // how many there were
	list []lamp
}

// lamp is a leg with a phone of which has been told.
type lamp struct {
	leg  any
	line Line
	last dialoginfo.Dialog
}

// Line is that of a phone in a call.
type Line struct {
	Call               string // its ID
	Location, Identity string
	Direction          dialoginfo.Direction    // who began
	Remote             func() dialoginfo.Party // the other party, as the phone is told; it is asked once
}

// Keep tells the end of the legs that do not take part any more. A leg is whatever its owner tells it from others by.
func (l *Lamps) Keep(takesPart func(leg any) bool, tell Tell) {
	l.list = slices.DeleteFunc(l.list, func(x lamp) bool {
		gone := !takesPart(x.leg)
		if gone {
			x.last.State = dialoginfo.Terminated
			tell(x.line.Location, x.line.Identity, x.last)
		}
		return gone
	})
}

// Show tells how far a leg and its dialog have come, unless that is told already. An early one without a tag of the phone is none yet.
func (l *Lamps) Show(leg any, dialog sipmsg.Replaces, line Line, state dialoginfo.State, tell Tell) {
	if state != dialoginfo.Confirmed && dialog.ToTag == "" {
		return
	}
	n := slices.IndexFunc(l.list, func(x lamp) bool { return x.leg == leg })
	if n < 0 {
		n = len(l.list)
		l.Lit++
		l.list = append(l.list, lamp{leg, line, dialoginfo.Dialog{ID: line.Call + "-" + strconv.Itoa(l.Lit), CallID: dialog.CallID, Direction: line.Direction, Remote: line.Remote()}})
	}
	x := &l.list[n]
	if x.last.State == state && x.last.LocalTag == dialog.ToTag {
		return
	}
	x.last.State, x.last.LocalTag, x.last.RemoteTag = state, dialog.ToTag, dialog.FromTag
	tell(x.line.Location, x.line.Identity, x.last)
}
