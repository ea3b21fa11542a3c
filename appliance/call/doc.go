// Package call is the back-to-back user agent: it takes a call from one peer, routes it, calls the other peer, and keeps the two legs,
// their media and their licenses together until both have hung up.
//
// It owns the state of a call (state.go) and the meaning of a leg's event for the other leg. It does not own SIP (package sipgw),
// descriptions (sdp), offer and answer of one side (negotiation), numbers and identities (party), packets (media), the way that a call
// takes (route), its record (callrecord) or the number of calls (license).
//
// Goroutines: one a call, with one mailbox. Events of both legs, timers, media and commands come through it, so the fields of a call need
// no lock. The manager's lock guards the list of calls and the part of each that other calls look at (room.go). A call keeps the
// configuration that it began with.
//
// A call begins in call.go and hunts for the callee in hunt.go and attempt.go. In the established call, midcall.go answers offers and passes
// hold on, reinvite.go makes offers. transfer.go, joined.go and replace.go put another peer in the place of one.
package call
