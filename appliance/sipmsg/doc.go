// Package sipmsg reads and writes SIP messages: where one ends in a stream, what is refused before anything acts on it, the fields that
// decide where it belongs, and the text of what is sent, digest authentication included.
//
// It knows no sockets (package siptransport), no transactions (package siptx) and no dialogs (package sipgw), and a body is bytes to it
// (package sdp). What a peer wrote is kept byte for byte and comes back in that form. The package has no goroutines and keeps nothing
// between messages, but for the Authenticator, which belongs to the goroutine that uses it.
package sipmsg
