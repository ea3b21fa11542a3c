// Package presencelab joins the box's presence with Microsoft as package entra plays it: the client of Graph, the engine, and what both say when
// Microsoft is away, slow, wrong, or wants something else.
//
// It holds tests only. They run in virtual time, so that an hour of faults takes no time; what needs a whole box is beside package lab's
// other tests.
package presencelab
