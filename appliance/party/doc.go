// Package party is the caller and the called of a call. It reads both from the INVITE of one peer, as properties for routing, and
// writes them into the INVITE to another peer, in the form that this one knows.
//
// It owns addresses, numbers and their spellings, anonymity, accounts, where a caller is, and the record of who has forwarded a call. It does
// not own routing (package route) or messages (package sipmsg). Pure values: no goroutines, no clock, no I/O.
package party
