// Package lang is the command language of the box: one table entry a statement, one a command.
//
// It owns the words: which line reaches which field of package config, which command asks the box for what, how answers
// are laid out, and what is wrong with a configuration. Matching, help, completion and rendering derive from the table and
// are done by package cli. It does not own the box: everything that a command needs from it is asked through Box.
// It has no goroutines and keeps no state between lines: the mode travels with each line as a path of header lines, so a
// console survives a restart of the box by sending its mode again.
package lang

import (
	"context"
	"io"

	"viaduct/appliance/config"
)

// Session is who types, and where he stands.
type Session struct {
	// Mode is the path of lines that lead to the present mode, outermost first: nothing is operator execution (`>`),
	// "enable" is administrator execution (`#`), then "configure", then header lines such as "context cs SWITCH".
	Mode  []string
	User  string
	Class config.AccountClass
	TTY   string // "serial", "ssh 192.0.2.7:50122", "" for a script
}

// Result is what a line leaves behind for the next one. Exec's error says whether the line was taken.
type Result struct {
	Mode    []string // to send with the next line
	Prompt  string   // for example "sbc01(if-sip)[IF]#"
	Collect *Collect // not nil: the line wants a block; send the same line again with the block as body
	Exit    bool     // the session ends
}

// Collect describes the block that a line wants.
type Collect struct {
	Prompt string
	Kind   string // "pem": up to an empty line; "secret": one line, not echoed, appended to the body collected before
}

// Choice is one way to go on with a line.
type Choice struct {
	Word string // a keyword, the name of an object, or a form such as "<seconds>"
	Help string
}

// Help is what may stand at a place in a line.
type Help struct {
	Choices []Choice
	Insert  string // Tab: text to insert at the cursor, with a trailing blank when the word is complete
	Text    bool   // the word under the cursor is free text: `?` is a character there
}

// Language is the compiled table. It is immutable and may be used by many sessions at once.
type Language struct{}

// New compiles the table; a mistake in it panics.
func New() *Language { return &Language{} }

// Exec runs one line for s and writes what the user is to see to out. body is the block that an earlier Result asked for.
// The error has been written to out already; it tells callers that the line was not taken.
func (l *Language) Exec(ctx context.Context, box Box, s *Session, line string, body []byte, out io.Writer) (Result, error) {
	return Result{Mode: s.Mode}, nil
}

// Help tells what may stand at cursor (a byte offset) in line.
func (l *Language) Help(box Box, s *Session, line string, cursor int) Help { return Help{} }

// Prompt is the prompt of s, for a console that has just connected.
func (l *Language) Prompt(box Box, s *Session) string { return "" }
