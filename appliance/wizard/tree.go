package wizard

import (
	"slices"
	"strings"

	"viaduct/appliance/cli"
)

// node is a line of a printed configuration with the lines of its block.
type node struct {
	text  string
	words []string
	below []*node
}

// tree reads a configuration as the box prints it, or as Configuration writes it: blocks are what is indented.
func tree(text string) *node {
	root := &node{}
	type open struct {
		depth int
		*node
	}
	stack := []open{{-1, root}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n ")
		content := strings.TrimLeft(line, " ")
		if content == "" || content[0] == '#' {
			continue
		}
		depth := len(line) - len(content)
		for stack[len(stack)-1].depth >= depth {
			stack = stack[:len(stack)-1]
		}
		parent := stack[len(stack)-1].node
		n := &node{text: content}
		for _, w := range cli.Words(content) {
			n.words = append(n.words, w.Text)
		}
		if i := slices.IndexFunc(parent.below, n.same); i >= 0 {
			n = parent.below[i] // a block that is opened again
		} else {
			parent.below = append(parent.below, n)
		}
		stack = append(stack, open{depth, n})
	}
	return root
}

// same reports whether two lines say the same.
func (n *node) same(o *node) bool { return slices.Equal(n.words, o.words) }

// in returns the same line below another block, nil if it has none.
func (n *node) in(o *node) *node {
	if o == nil {
		return nil
	}
	if i := slices.IndexFunc(o.below, n.same); i >= 0 {
		return o.below[i]
	}
	return nil
}

// all returns the lines that begin with these words; * is any word.
func (n *node) all(words ...string) (list []*node) {
	if n == nil {
		return nil
	}
	for _, b := range n.below {
		if len(b.words) >= len(words) && !slices.ContainsFunc(indexes(words), func(i int) bool { return words[i] != "*" && words[i] != b.words[i] }) {
			list = append(list, b)
		}
	}
	return list
}

func indexes(words []string) []int {
	list := make([]int, len(words))
	for i := range list {
		list[i] = i
	}
	return list
}

// one returns the first of them, nil if there is none.
func (n *node) one(words ...string) *node {
	if list := n.all(words...); len(list) > 0 {
		return list[0]
	}
	return nil
}

// word returns a word of the line, "" if it has none there.
func (n *node) word(i int) string {
	if n == nil || i >= len(n.words) {
		return ""
	}
	return n.words[i]
}

// value returns the word behind these in the first line that begins with them.
func (n *node) value(words ...string) string { return n.one(words...).word(len(words)) }
