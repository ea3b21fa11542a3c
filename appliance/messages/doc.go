// Package messages keeps the SIP messages of the last calls, so that a ladder can be drawn and a capture be written of a call that is over.
//
// It owns the memory in which they lie, and the choice of what is shed when that is full. It does not know calls: messages are found by
// their Call-ID, Began and Ended tell which Call-IDs are a call, and whether it failed. Only dialogs that begin with an INVITE are kept.
//
// Memory is allocated once, outside the heap, and is free of pointers: text lies in blocks of one array, everything else in arrays of small structs that name
// each other by index. The garbage collector has nothing to mark in it, however much is kept.
//
// What is shed first is a matter of classes:
//
//	stray    an INVITE that no call has taken: refused before it became one. They have a share of their own, so that a flood sheds nothing else.
//	ended    a call that is over, the oldest first; and a failed one that is no longer among the last.
//	live     a call in progress: its messages go, and the dialog remembers how many they were (class emptied).
//	failed   one of the last failed calls.
//
// Trace is called on the goroutines of sockets and connections. It holds one lock for the time of a copy. There are no goroutines of its own.
package messages
