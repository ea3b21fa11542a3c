// Package cli is the engine of a line-based language. From one table entry for each statement it derives matching, `no`, help and completion,
// changes of a typed configuration, its printed form and the reference manual.
//
// A statement binds a pattern of words to a field of a Go struct. The engine knows patterns, words and fields. The table of the language
// defines the statements and the forms of words. The package does not own a configuration and does not do any I/O. It has no goroutines;
// several may use an Editor.
//
// Patterns:
//
//	word            a keyword, which may be abbreviated as long as it is unique
//	<field>         an argument, bound to the field of that name (case and hyphens do not matter)
//	<#field>        an argument that is part of the key of a list's element
//	<_>             an argument that is dropped; <_:rest> drops the rest of the line
//	<field:1..9>    with a range, a set of words (a|b|c), or the name of a kind of word (host)
//	[ ... ]         optional; several in a row in any order
//	( a | b )       one of
//
// A keyword inside [ ] or ( ) with the name of a bool field sets the field. A group of keywords does so by its joined names.
package cli
