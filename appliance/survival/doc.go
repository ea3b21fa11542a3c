// Package survival decides when calls take other ways because a peer is gone, and when they return.
//
// It owns the state of each `survival` of the configuration, the ways that follow from all of them, and the alarm that says what works
// meanwhile. It does not own how a peer is found to be gone (package sipua), nor what a call does with its way (package call). New calls alone
// ask for their way: those in progress are left as they are.
//
// Run is one goroutine, which looks at the peers once a second. Route and Emergency may be called by anybody, and wait for nobody.
package survival
