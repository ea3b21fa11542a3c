// Package answer lays out what commands print: tables that fit a terminal, the state of the box, the problems of a configuration, the
// differences between two configurations, and the filters behind a command.
//
// The package formats plain values, mostly of package status. It owns the wording and the layout of answers. It does not fetch anything and
// does not know which command it answers. It has no goroutines. Page.Printf turns every value into one line of printable characters, so
// text from a peer cannot forge a line.
package answer
