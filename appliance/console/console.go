// Package console is the box's command line as people meet it: on the serial line, over SSH, and on stdin and stdout.
//
// It owns terminals: reading keys, editing, history, help on `?` and Tab, paging, pastes, blocks, logins. It does not own
// the language: what a line means is asked of sbcd over its socket (package wire), for each line anew and with the mode in
// which the session stands, so that a session survives a restart of sbcd and can say that it is down.
//
// Goroutines: each terminal has a reader, which takes bytes off the line as they come (a serial line has no flow control)
// and notices Ctrl-C while a command runs, and a session, which does all the rest and alone touches the session's state.
// The SSH server adds one goroutine a connection and one for the requests of each channel. A reader that is blocked in
// a read of stdin ends with the process; all others are waited for.
package console
