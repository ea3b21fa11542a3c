package wizard

import (
	"net/netip"
	"slices"
	"strings"

	"viaduct/appliance/cli"
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
	for _, l := range outdated(running, before, after) {
		removal(&b, l)
	}
	return b.String() + Configuration(after, false)
}

// outdated are the lines that the answers before had made, that are still there, and that the new ones do not make. Of a block that goes it
// has the header alone.
func outdated(running string, before, after Answers) (list []Line) {
	now, made := tree(running), tree(Configuration(after, false))
	for _, n := range tree(Configuration(before, false)).below {
		outdatedBelow(n, n.in(now), n.in(made), nil, &list)
	}
	return list
}

func outdatedBelow(was, is, made *node, path []string, list *[]Line) {
	switch {
	case is == nil:
	case made == nil:
		*list = append(*list, Line{path, is.text})
	default:
		for _, w := range was.below {
			outdatedBelow(w, w.in(is), w.in(made), append(slices.Clone(path), was.text), list)
		}
	}
}

// removal writes the line that undoes one, with its headers.
func removal(b *strings.Builder, l Line) {
	for depth, header := range l.Path {
		b.WriteString(strings.Repeat("  ", depth) + header + "\n")
	}
	undo, was := strings.CutPrefix(l.Text, "no ")
	if !was {
		undo = "no " + l.Text
	}
	b.WriteString(strings.Repeat("  ", len(l.Path)) + undo + "\n")
}

// Replaced writes the lines that put the new answers in the place of the network and the calls of a running configuration.
func Replaced(running string, after Answers) string {
	var b strings.Builder
	made := tree(Configuration(after, false))
	for _, n := range tree(running).below {
		if isOwned(n, made) && n.words[0] != "port" {
			removal(&b, Line{Text: n.text})
		}
	}
	return b.String() + Configuration(after, false)
}

// Difference is what a change does to a running configuration: the lines that go, and those that come. Passwords are hidden.
func Difference(running string, before, after Answers, replace bool) (removed, added []Line) {
	now := tree(running)
	for _, n := range tree(Configuration(after, false)).below {
		uncarried(n, n.in(now), nil, &added)
	}
	if removed = outdated(running, before, after); replace {
		removed = Uncarried(running, after)
	}
	return hidden(removed), hidden(added)
}

// hidden are lines without passwords.
func hidden(lines []Line) []Line {
	for i, l := range lines {
		if words := cli.Words(l.Text); len(words) >= 4 && words[0].Text == "username" && words[2].Text == "password" {
			lines[i].Text = l.Text[:words[3].Start] + Hidden
		}
	}
	return lines
}

// LAN is the address of the box on its LAN; it is not valid when the answer is none.
func LAN(a Answers) netip.Prefix {
	p, _ := network(a.Network.LAN)
	return p
}

// Store are the names of the key store that the configuration wants.
func Store(a Answers) []string {
	names := []string{"pki:private-key/" + KeyName(a), "pki:certificate/" + a.Certificate.Name}
	if a.PBX.Transport == TLS {
		names = append(names, "pki:certificate/"+PBXRoot)
	}
	return names
}

// KeyName is that of the private key.
func KeyName(a Answers) string { return a.Certificate.keyName() }
