// Package party is who calls and who is called: it reads the parties of a call from the INVITE of one peer, as properties for routing, and
// writes them into the INVITE to another, each in the form that the peer knows.
//
// It owns addresses, numbers and their spellings, anonymity, accounts, and who has forwarded a call. It does not own where a call goes
// (package route) nor messages (package sipmsg). Pure values: no goroutines, no clock, no I/O.
package party
