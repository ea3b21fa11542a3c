// Package lang is the command language of the box. A table has one entry for each statement of the configuration and one for each command;
// everything about a line derives from its entry.
//
// The package owns the statements (table.go), the session that runs lines against a box (lang.go, call.go, cursor.go, batch.go), the reading
// of files (file.go), and what happens to lines that are not understood (unknown.go, leftout.go). It does not own the commands (package
// command), the engine that matches, completes and prints lines (cli), the forms of single words (word), the checks of a configuration
// (check), the layout of answers (answer), the statements of other generations (older), or the box itself, which it asks through the
// interface device.Box.
//
// The package has no goroutines and keeps no state between lines. The mode travels with each line as a path of header lines, so a console
// survives a restart of the box by sending its mode again.
package lang
