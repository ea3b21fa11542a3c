// Package edit is a terminal with somebody at it: keys come in, lines go out.
//
// It owns the keyboard (what is a key and what is pasted text), the editing of a line, its history, and the pages of a long text. x/term
// edits the line; this package decides which keys it sees. It does not know what a line means.
//
// Goroutines: one a terminal, which the caller starts with Keyboard.Pump. It takes bytes off the line as they come, whatever the session
// does. All else runs in the session's goroutine; only Resize and what the keyboard's lock guards may be used from others.
package edit
