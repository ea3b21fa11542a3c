// Package drain takes the box, a context cs or an interface sip out of service without cutting calls off.
//
// It owns what is being taken out of service, in which state that is, and the two questions that follow: whether the OPTIONS of a peer stay
// unanswered, so that its new calls go elsewhere, and whether a new call is refused. A line `shutdown` counts as well. It does not own what
// a new call is, which calls are to emergency numbers (package call: they are taken all the time), or what happens at the end, which is a
// reload or nothing.
//
// Run is one goroutine, which looks at the calls that are left once a second while anything is being taken out of service.
package drain
