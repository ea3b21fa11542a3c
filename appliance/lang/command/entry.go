package command

import (
	"reflect"

	"viaduct/appliance/cli"
)

// Action is a command.
type Action struct {
	Run       func(c *Call, args any) error // args is a pointer to the struct of its arguments
	InFile    FileEffect
	Ambiguous bool // other boxes have a statement of this name: inside a left-out block, the line belongs to the block
}

// FileEffect is the effect of a command in a file of configuration lines.
type FileEffect int

// The effects of a command in a file.
const (
	Misplaced  FileEffect = iota // it is an error
	LeavesMode                   // it ends the block
	LeavesAll                    // it ends all blocks
)

// inFile gives a command an effect in files.
func inFile(e FileEffect, l cli.Line) cli.Line {
	a := l.Data.(Action)
	a.InFile = e
	l.Data = a
	return l
}

// ambiguous marks a command that is a statement on other boxes.
func ambiguous(l cli.Line) cli.Line {
	a := l.Data.(Action)
	a.Ambiguous = true
	l.Data = a
	return l
}

// none is the argument struct of a command without arguments.
type none struct{}

// command makes a table entry from a pattern and a function of its arguments.
func command[A any](line, help string, run func(c *Call, a *A) error) cli.Line {
	return cli.Line{Line: line, Help: help, Args: reflect.TypeFor[A](),
		Data: Action{Run: func(c *Call, a any) error { return run(c, a.(*A)) }}}
}

func withExample(example string, l cli.Line) cli.Line {
	l.Example = example
	return l
}

// also adds alternative forms to a command.
func also(l cli.Line, forms ...string) cli.Line {
	l.Also = forms
	return l
}

// whole forbids abbreviations of a command.
func whole(l cli.Line) cli.Line {
	l.Whole = true
	return l
}

// worded adds help for single words of a command: word, help, word, help.
func worded(l cli.Line, help ...string) cli.Line {
	l.Words = map[string]string{}
	for n := 0; n < len(help); n += 2 {
		l.Words[help[n]] = help[n+1]
	}
	return l
}
