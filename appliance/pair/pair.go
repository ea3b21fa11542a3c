// Package pair is what the two boxes of a pair say to each other, and what the parts of a box say about the pair: roles, words, terms, and the table of
// what the active box has the standby keep.
//
// It owns names and forms, and opens nothing. Who is active is decided in package election, VRRP is in package vrrp, the path between the boxes in
// package link, and package duty has a box do what was decided. It has no goroutines.
package pair

import (
	"fmt"
	"slices"
	"time"
)

// Role is what a box is in its pair.
type Role uint8

const (
	Standby Role = iota // it has no virtual address and no call, and keeps what the active box tells it
	Active              // it has the virtual addresses, and calls
)

var roles = [...]string{"standby", "active"}

func (r Role) String() string { return roles[r] }

// MarshalText and UnmarshalText write a role by its name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r *Role) UnmarshalText(text []byte) error {
	n := slices.Index(roles[:], string(text))
	if n < 0 {
		return fmt.Errorf("no role of a box: %q", text)
	}
	*r = Role(n)
	return nil
}

// Word is what a box tells the other one about itself on the direct path, at least once in an advertisement interval.
type Word struct {
	Box     uint8  `json:"box"` // its number, 1 or 2
	Serial  string `json:"serial"`
	Release string `json:"release"`
	Role    Role   `json:"role"`
	Hears   bool   `json:"hears"` // the other's words, within the time that would end its reign
	// Reign counts the takeovers of the pair. A box that becomes active has one more than it has ever heard of. Of two active boxes the one with the
	// higher reign goes on: the network has heard it last, and it has the calls.
	Reign    uint64        `json:"reign"`
	Reigned  bool          `json:"reigned"`  // the reign is this box's, or was: of two that start together it has the later state
	Priority uint8         `json:"priority"` // as in VRRP, by health: 1 to 254
	Ports    []PortFitness `json:"ports"`
	// Alone: it is active because it stood alone until now, and the pair has not decided yet. Of two such boxes the one with more lines of
	// configuration goes on: the other one is about to get what that has.
	Alone bool `json:"alone,omitempty"`
	Lines int  `json:"lines,omitempty"`
	// Fresh: it has never had what the pair has: it has not copied from the other box, nor that from it, and has had no call in the pair. A box that is not
	// takes nothing from it.
	Fresh    bool `json:"fresh,omitempty"`
	Full     bool `json:"full,omitempty"` // it has telephony configured
	Eligible bool `json:"eligible"`       // it could take over: it has all that the active box has told it. The active box itself is
	Asks     bool `json:"asks,omitempty"` // it is the standby, and somebody there has asked for a switch
	// Waits: it is the standby, has fewer ports with a network than the active box, and waits longer in silence before it takes over: that one may be slow.
	Waits  bool `json:"waits,omitempty"`
	Yields bool `json:"yields"`           // it was active, and has given up: the other is to take over now
	Leaves bool `json:"leaves,omitempty"` // it leaves the pair; if it is active, it keeps the addresses, and nobody is to take over
	// Refuses is why the standby does not take over although the active box yields; "": it does.
	Refuses string            `json:"refuses,omitempty"`
	Calls   int               `json:"calls"`
	Sums    map[string]string `json:"sums,omitempty"` // what both boxes should have alike, by what it is: Sum of it
}

// PortFitness is how a box stands at one of the pair's ports, the direct path among them.
type PortFitness struct {
	Name    string  `json:"name"` // of the IP interface
	Carrier bool    `json:"carrier"`
	Witness Witness `json:"witness"`           // whether the network there is heard
	Missing bool    `json:"missing,omitempty"` // the network is heard, but the last question has no answer yet
	Virtual Witness `json:"virtual"`           // the same, asked from the pair's address while the box has it
	Hears   bool    `json:"hears"`             // the other box's VRRP, within the time that would end its reign
}

// Witness is what those say who are asked at a port (ICMP echo from the box's own address).
type Witness uint8

const (
	WitnessNone   Witness = iota // there is nobody to ask, or it has never answered
	WitnessHeard                 // it answers
	WitnessSilent                // it has answered before, and does not any more
)

var witnesses = [...]string{"none", "heard", "silent"}

func (w Witness) String() string { return witnesses[w] }

// MarshalText and UnmarshalText write a Witness by its name.
func (w Witness) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

func (w *Witness) UnmarshalText(text []byte) error {
	n := slices.Index(witnesses[:], string(text))
	if n < 0 {
		return fmt.Errorf("no witness: %q", text)
	}
	*w = Witness(n)
	return nil
}

// Fit reports whether calls can go over the port, as far as the box knows.
func (p PortFitness) Fit() bool { return p.Carrier && p.Witness != WitnessSilent }

// LinkPort is where a box expects the other one (TCP), on the path between them.
const LinkPort = 4223

// Kind is what an entry of the table is of.
type Kind string

const (
	Calls         Kind = "call"         // an established call, by its ID: package call
	Media         Kind = "media"        // how far the packets of a call have come, by its ID: package media
	Held          Kind = "held"         // a new call that waits for the end of a planned switch: package call
	Rescued       Kind = "rescued"      // who has called an emergency number and may be called back, one value: package disturb
	Connections   Kind = "connection"   // of SIP, by its ends: package siptransport
	Phones        Kind = "phone"        // a phone that has registered at the box: package registrar
	Registrations Kind = "registration" // of the box at a registrar: package sipua
	Files         Kind = "file"         // configuration, keys, licenses: package store
	Records       Kind = "record"       // a call's record, by its ID: package records
)

// Sender is how engines of the active box have the standby keep something. Its methods never block, and may be called from any goroutine. A value must
// not be changed afterwards. On a box that is not the active one of a pair they do nothing.
type Sender interface {
	Put(kind Kind, id string, value []byte) // in the place of the last value; at most MaxValue octets
	Drop(kind Kind, id string)
}

// Limits of the table. What is beyond is not kept by the standby, and is an alarm.
const (
	MaxValue   = 256 << 10 // octets of a value
	MaxEntries = 100_000
)

// Kept is an entry as the standby has it.
type Kept struct {
	ID    string
	Value []byte
	At    time.Time // when it was put, by the clock of the box that has kept it
}

// Nobody is the Sender of a box that stands alone.
type Nobody struct{}

// Put and Drop do nothing.
func (Nobody) Put(Kind, string, []byte) {}
func (Nobody) Drop(Kind, string)        {}
