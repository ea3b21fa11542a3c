// Package call is the back-to-back user agent: it takes a call from one peer, routes it, calls the other peer, and keeps the two legs,
// their media and their licenses together until both have hung up.
//
// It owns what a call does, and the meaning of a leg's event for the other leg. It does not own SIP (package sipgw), descriptions (sdp),
// offer and answer of one side (negotiation), a side itself (callside), numbers and identities (party), packets (media), the way that a call takes (route), the
// state diagram (callstate), why a call fails (refusal), its record (callrecord), what lamps show of it (lamps) or the number of calls (license).
//
// Goroutines: one a call, with one mailbox. Events of both legs, timers, media and commands come through it, so the fields of a call need
// no lock. The manager's lock guards the list of calls; what other calls look at is in packages giveway and rounds. A call keeps the
// configuration that it began with.
//
// A call begins in call.go and hunts for the callee in hunt.go and attempt.go. In the established call, midcall.go answers offers and passes
// hold on, reinvite.go makes offers. transfer.go, joined.go and replace.go put another peer in the place of one.
//
// The standby box of a pair keeps established calls (keep.go, package callkeep), and goes on with them (restore.go). A planned switch hands them over
// (handover.go).
package call
