// Package command has the commands of the box: those for every account and those for administrators, each with its line, its help and the
// function that runs it.
//
// The package owns what a command does between the box, which it asks through device.Box, and the session, whose Result it fills. It owns
// the names of the configurations that commands copy and compare. It does not own the layout of answers (package answer), the statements of
// the configuration, or the engine that matches lines: what a command needs of the language it gets through the interfaces Language and
// Place, which package lang implements. It has no goroutines and keeps no state between lines.
package command
