// Package edit is the user's terminal: keys come in, lines go out.
//
// It owns the keyboard (and tells keys from pasted text), the line editor, the history, and the pager. x/term edits the line; this package
// decides which keys it sees. It does not know what a line means.
//
// Goroutines: one a terminal, which the caller starts with Keyboard.Pump. It takes bytes off the line as they come, even while the
// session is busy. All else runs in the session's goroutine; others may use only Resize and the methods that take the keyboard's lock.
package edit
