package wizard

import (
	"slices"
	"strings"
)

// owned are the blocks in which the set-up has the say: the network and the calls. Accounts of people, logs, the web page and what else
// there is at the top of a configuration are never touched.
var owned = [][]string{{"dns-client"}, {"sntp-client"}, {"context", "ip"}, {"context", "cs"}, {"context", "sip-gateway"}, {"location-service"}, {"authentication-service"}, {"profile", "voip"},
	{"profile", "acme", acmeProfile}, {"profile", "tls", tlsPBX}}

// isOwned reports whether a line at the top of a configuration is of these, or one that the set-up writes.
func isOwned(n *node, made *node) bool {
	return n.in(made) != nil || slices.ContainsFunc(owned, func(words []string) bool {
		return len(n.words) >= len(words) && slices.Equal(n.words[:len(words)], words)
	})
}

// Line is a line of a configuration with the headers around it.
type Line struct {
	Path []string
	Text string
}

// Uncarried are the lines of a running configuration, in the blocks of the set-up, that its answers do not make: they stay when the new
// lines are merged into it, and go when they replace it.
func Uncarried(running string, a Answers) (list []Line) {
	made := tree(Configuration(a, false))
	for _, n := range tree(running).below {
		if isOwned(n, made) {
			uncarried(n, n.in(made), nil, &list)
		}
	}
	return list
}

func uncarried(n, made *node, path []string, list *[]Line) {
	if made == nil {
		*list = append(*list, Line{path, n.text})
	}
	for _, b := range n.below {
		uncarried(b, b.in(made), append(slices.Clone(path), n.text), list)
	}
}

// Merged writes the lines that turn a running configuration into one with the new answers, and leave everything else as it is. Of what
// goes, only that is removed which the answers before had made.
func Merged(running string, before, after Answers) string {
	var b strings.Builder
	now, made := tree(running), tree(Configuration(after, false))
	for _, n := range tree(Configuration(before, false)).below {
		remove(&b, n, n.in(now), n.in(made), nil)
	}
	return b.String() + Configuration(after, false)
}

// remove writes the lines that take away what was made, is still there, and is no longer made.
func remove(b *strings.Builder, was, is, made *node, path []string) {
	switch {
	case is == nil:
	case made == nil:
		removal(b, path, is.text)
	default:
		for _, w := range was.below {
			remove(b, w, w.in(is), w.in(made), append(slices.Clone(path), was.text))
		}
	}
}

// removal writes the line that undoes one, with its headers.
func removal(b *strings.Builder, path []string, text string) {
	for depth, header := range path {
		b.WriteString(strings.Repeat("  ", depth) + header + "\n")
	}
	undo, was := strings.CutPrefix(text, "no ")
	if !was {
		undo = "no " + text
	}
	b.WriteString(strings.Repeat("  ", len(path)) + undo + "\n")
}

// Replaced writes the lines that put the new answers in the place of the network and the calls of a running configuration.
func Replaced(running string, after Answers) string {
	var b strings.Builder
	made := tree(Configuration(after, false))
	for _, n := range tree(running).below {
		if isOwned(n, made) && n.words[0] != "port" {
			removal(&b, nil, n.text)
		}
	}
	return b.String() + Configuration(after, false)
}
