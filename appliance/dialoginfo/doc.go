// Package dialoginfo reads and writes the bodies of SIP events: dialog-info (RFC 4235) and PIDF (RFC 3863 with the activities of RFC 4480), which tell
// whether somebody is on the phone, the device states that Asterisk servers tell each other, and which messages wait (RFC 3842).
//
// It owns their text and how partial documents add up (Table). It does not own the requests that carry them (package sipevent). What is read has
// bounds: MaxBody, MaxDialogs, MaxText. The package has no goroutines and reads no clock.
package dialoginfo
