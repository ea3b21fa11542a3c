package provisioning

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
	"unicode/utf8"
)

// layout is a template that was read: conditions, loops over lists of values, and fields in between. Package text/template reads it;
// what it says is done here, for two reasons. With no more than this a template ends soon, whatever is in it. And a program that
// links text/template's own execution keeps every method of every type, because a template could call it: 4 MB of the program, and 2 MB of its memory.
type layout struct {
	name string
	root *parse.ListNode
}

// functions are those that a template may call: none makes a text. One that does, such as print, can be called with what it has made, again and
// again, until the memory is full.
var functions = map[string]any{"and": true, "or": true, "not": true, "eq": true, "ne": true}

// Bounds of templates and of what they make.
const (
	maxTemplate = 64 << 10
	maxMade     = 256 << 10
	maxNesting  = 3 // of range
)

// parsed reads a template.
func parsed(name, text string) (*layout, error) {
	if len(text) > maxTemplate || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, fmt.Errorf("a template is text of at most %d KiB", maxTemplate>>10)
	}
	trees, err := parse.Parse(name, text, "", "", functions)
	if err != nil {
		return nil, err
	}
	if len(trees) > 1 {
		return nil, errors.New("a template has no further ones inside: define and block are not taken")
	}
	l := &layout{name, trees[name].Root}
	return l, taken(l.root, 0)
}

// taken looks for what is not done here.
func taken(n parse.Node, nesting int) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, x := range n.Nodes {
			if err := taken(x, nesting); err != nil {
				return err
			}
		}
		return nil
	case *parse.TextNode, *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		return takenPipe(n.Pipe)
	case *parse.IfNode:
		return takenBranch(&n.BranchNode, nesting)
	case *parse.WithNode:
		return takenBranch(&n.BranchNode, nesting)
	case *parse.RangeNode:
		if nesting++; nesting > maxNesting || !field(n.Pipe) {
			return fmt.Errorf("line %d: range takes a field such as .Accounts, and at most %d stand within each other", n.Line, maxNesting)
		}
		return takenBranch(&n.BranchNode, nesting)
	}
	return fmt.Errorf("%s is not taken", n)
}

func takenBranch(n *parse.BranchNode, nesting int) error {
	return errors.Join(takenPipe(n.Pipe), taken(n.List, nesting), taken(n.ElseList, nesting))
}

// takenPipe looks at one value, with or without names for it: a function with its arguments, a field, a constant.
func takenPipe(p *parse.PipeNode) error {
	if len(p.Cmds) != 1 || p.IsAssign {
		return fmt.Errorf("line %d: %s is not taken: there is one value, without pipes and assignments", p.Line, p)
	}
	args := p.Cmds[0].Args
	name, calls := args[0].(*parse.IdentifierNode)
	if calls {
		if args = args[1:]; len(args) == 0 || name.Ident == "not" && len(args) > 1 {
			return fmt.Errorf("line %d: %s is not taken: arguments are missing, or too many", p.Line, p)
		}
	} else if len(args) > 1 {
		return fmt.Errorf("line %d: %s is not taken, of functions only and, or, not, eq, ne are", p.Line, p)
	}
	for _, a := range args {
		switch a := a.(type) {
		case *parse.DotNode, *parse.FieldNode, *parse.VariableNode, *parse.StringNode, *parse.BoolNode:
		case *parse.NumberNode:
			if !a.IsInt {
				return fmt.Errorf("line %d: %s is not taken: numbers are whole", p.Line, a)
			}
		case *parse.PipeNode:
			if err := takenPipe(a); err != nil {
				return err
			}
		default:
			return fmt.Errorf("line %d: %s is not taken", p.Line, a)
		}
	}
	return nil
}

// field reports whether a pipe is one field of the values, as .Accounts or $.Codecs.
func field(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	switch a := p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return true
	case *parse.VariableNode:
		return len(a.Ident) > 1
	}
	return false
}

// execute writes what the template makes of the values.
func (l *layout) execute(to io.Writer, v Values) error {
	dot := reflect.ValueOf(v)
	x := &execution{to: to, vars: []variable{{"$", dot}}}
	if err := x.node(l.root, dot); err != nil {
		return fmt.Errorf("template %s: %w", l.name, err)
	}
	return nil
}

// execution is where a template is being executed.
type execution struct {
	to   io.Writer
	vars []variable // the innermost last
}

type variable struct {
	name  string
	value reflect.Value
}

func (x *execution) node(n parse.Node, dot reflect.Value) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, inside := range n.Nodes {
			if err := x.node(inside, dot); err != nil {
				return err
			}
		}
	case *parse.TextNode:
		_, err := x.to.Write(n.Text)
		return err
	case *parse.ActionNode:
		v, err := x.pipe(n.Pipe, dot)
		if err != nil || len(n.Pipe.Decl) > 0 {
			return err
		}
		return x.print(n, v)
	case *parse.IfNode:
		return x.branch(&n.BranchNode, dot, false)
	case *parse.WithNode:
		return x.branch(&n.BranchNode, dot, true)
	case *parse.RangeNode:
		return x.loop(n, dot)
	}
	return nil
}

func (x *execution) print(n parse.Node, v reflect.Value) (err error) {
	switch v.Kind() {
	case reflect.String:
		_, err = io.WriteString(x.to, v.String())
	case reflect.Int:
		_, err = io.WriteString(x.to, strconv.FormatInt(v.Int(), 10))
	case reflect.Bool:
		_, err = io.WriteString(x.to, strconv.FormatBool(v.Bool()))
	default:
		err = fmt.Errorf("%s is no text", n)
	}
	return err
}

// branch is `if`, or `with`, in whose body the value is the dot.
func (x *execution) branch(n *parse.BranchNode, dot reflect.Value, with bool) error {
	defer x.leave(len(x.vars))
	v, err := x.pipe(n.Pipe, dot)
	switch {
	case err != nil:
		return err
	case !truth(v):
		return x.node(n.ElseList, dot)
	case with:
		dot = v
	}
	return x.node(n.List, dot)
}

func (x *execution) loop(n *parse.RangeNode, dot reflect.Value) error {
	defer x.leave(len(x.vars))
	list, err := x.value(n.Pipe.Cmds[0].Args[0], dot)
	switch {
	case err != nil:
		return err
	case list.Kind() != reflect.Slice:
		return fmt.Errorf("%s is no list", n.Pipe.Cmds[0])
	case list.Len() == 0:
		return x.node(n.ElseList, dot)
	}
	outside := len(x.vars)
	for i := range list.Len() {
		x.leave(outside)
		switch names := n.Pipe.Decl; len(names) { // {{range $element := .List}}, {{range $index, $element := .List}}
		case 1:
			x.declare(names[0], list.Index(i))
		case 2:
			x.declare(names[0], reflect.ValueOf(i))
			x.declare(names[1], list.Index(i))
		}
		if err := x.node(n.List, list.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (x *execution) declare(n *parse.VariableNode, v reflect.Value) {
	x.vars = append(x.vars, variable{n.Ident[0], v})
}

// leave forgets the variables of a block.
func (x *execution) leave(outside int) { x.vars = x.vars[:outside] }

func (x *execution) pipe(p *parse.PipeNode, dot reflect.Value) (v reflect.Value, err error) {
	args := p.Cmds[0].Args
	if name, is := args[0].(*parse.IdentifierNode); is {
		v, err = x.call(name.Ident, args[1:], dot)
	} else {
		v, err = x.value(args[0], dot)
	}
	if err == nil && len(p.Decl) > 0 {
		x.declare(p.Decl[0], v)
	}
	return v, err
}

func (x *execution) call(name string, nodes []parse.Node, dot reflect.Value) (v reflect.Value, err error) {
	args := make([]reflect.Value, len(nodes))
	for i, n := range nodes {
		if args[i], err = x.value(n, dot); err != nil {
			return v, err
		}
	}
	last := args[len(args)-1]
	switch name {
	case "not":
		return reflect.ValueOf(!truth(args[0])), nil
	case "and", "or":
		if i := slices.IndexFunc(args, func(v reflect.Value) bool { return truth(v) == (name == "or") }); i >= 0 {
			return args[i], nil
		}
		return last, nil
	}
	same := false
	for _, other := range args[1:] {
		if !other.Comparable() || other.Type() != args[0].Type() {
			return v, fmt.Errorf("%s compares texts, numbers and yes or no, and of one kind", name)
		}
		same = same || other.Equal(args[0])
	}
	return reflect.ValueOf(same == (name == "eq")), nil
}

func (x *execution) value(n parse.Node, dot reflect.Value) (reflect.Value, error) {
	switch n := n.(type) {
	case *parse.FieldNode:
		return fields(dot, n.Ident)
	case *parse.VariableNode:
		for _, v := range slices.Backward(x.vars) {
			if v.name == n.Ident[0] {
				return fields(v.value, n.Ident[1:])
			}
		}
	case *parse.StringNode:
		return reflect.ValueOf(n.Text), nil
	case *parse.BoolNode:
		return reflect.ValueOf(n.True), nil
	case *parse.NumberNode:
		return reflect.ValueOf(int(n.Int64)), nil
	case *parse.PipeNode:
		return x.pipe(n, dot)
	case *parse.DotNode:
		return dot, nil
	}
	return dot, fmt.Errorf("%s is no value", n)
}

// fields follows names from a value.
func fields(v reflect.Value, names []string) (reflect.Value, error) {
	for _, name := range names {
		var inside reflect.Value
		if v.Kind() == reflect.Struct {
			inside = v.FieldByName(name)
		}
		if !inside.IsValid() {
			return v, fmt.Errorf("there is no field %s", name)
		}
		v = inside
	}
	return v, nil
}

// truth: texts, lists and numbers are true unless they are empty.
func truth(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice:
		return v.Len() > 0
	}
	return v.Kind() == reflect.Struct || !v.IsZero()
}
