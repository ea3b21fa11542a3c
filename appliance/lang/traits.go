package lang

import "viaduct/appliance/cli"

// What the session must know of a line of the table besides its pattern stands at its entry, as Data.

// action is a command.
type action struct {
	run       func(c *call, args any) error // args is a pointer to the struct of its arguments
	inFile    fileEffect
	ambiguous bool // other boxes have a statement of this name: in a block that is left out, it belongs to the block
}

// fileEffect is what a command does in a file of configuration lines.
type fileEffect int

const (
	misplaced  fileEffect = iota // it is an error
	leavesMode                   // it ends the block
	leavesAll                    // it ends all blocks
)

// inFile lets a command stand in a file.
func inFile(e fileEffect, l Line) Line {
	a := l.Data.(action)
	a.inFile = e
	l.Data = a
	return l
}

// ambiguous marks a command that is a statement of other boxes.
func ambiguous(l Line) Line {
	a := l.Data.(action)
	a.ambiguous = true
	l.Data = a
	return l
}

// traits are what sets a statement apart.
type traits struct {
	accounts bool // it says who gets in: for those only who manage accounts
	bindable bool // it makes something that ports name in `bind interface`: see fixBindOrder
	atRoot   bool // blocks of its mode may stand at the root while only one object can be meant
}

func traitsOf(s *cli.Stmt) traits {
	t, _ := s.Data.(traits)
	return t
}

// atRoot is the statement whose blocks may stand at the root.
func (l *Language) atRoot() *cli.Stmt {
	for _, s := range l.table.Root().Stmts() {
		if traitsOf(s).atRoot {
			return s
		}
	}
	return nil
}
