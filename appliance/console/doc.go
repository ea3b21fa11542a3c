// Package console is the doors of the box's command line: the serial line, SSH, Telnet, and stdin with stdout.
//
// It owns logins, the SSH host key, the limits on connections, and the rights of the process. It does not own what a user does after the
// login (package session) nor how a terminal works (package edit).
//
// Goroutines: each terminal has a reader (edit.Keyboard.Pump) and a session. SSH and Telnet have one that accepts for each listener, and
// one a connection; SSH has one more for the requests of each channel. All are waited for, except a reader that is blocked in a read of
// stdin: it ends with the process.
package console
