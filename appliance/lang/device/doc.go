// Package device is the box as the commands of the language see it: what they ask of it, and what they hand it.
//
// The package owns the interface Box and the values of its methods. Package system implements it. It does not own the state that a box
// shows, which is package status. It has no goroutines.
package device
