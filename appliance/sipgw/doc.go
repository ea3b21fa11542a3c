// Package sipgw speaks SIP for the box: gateways, a table of methods, session timers, and call legs.
//
// It owns everything between a message and a call leg. It does not own the text of messages (package sipmsg), sockets and connections
// (package siptransport), transactions (package siptx), the state of dialogs (package sipdialog), registrations and the health of peers (package
// sipua), what a call is (package call), which way a call goes (package route), nor what an SDP body means (package sdp): bodies pass through it
// as bytes.
//
// Goroutines: those of siptransport, and one of the stack for legs whose owner has ended. A read loop matches a message with its
// transaction and posts to the mailbox of the leg's owner, so messages of one connection reach the owner in the order in which they
// arrived. All state of a Leg belongs to its owner's goroutine.
package sipgw
