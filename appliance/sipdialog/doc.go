// Package sipdialog holds the state of SIP dialogs (RFC 3261 12), sends requests outside dialogs, and knows dialogs without a call: those of
// subscriptions. What an established leg remembers is a value that can be written out (LegState).
//
// It owns what a dialog remembers and how requests in it are written. It does not own call legs (package sipgw), transactions (package siptx),
// how a message reaches a peer (package siptransport), nor what a subscription means (package sipevent).
//
// It starts no goroutines. A Dialog and an Event belong to one goroutine, or to who holds a lock.
package sipdialog
