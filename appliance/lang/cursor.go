package lang

import (
	"fmt"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/config"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/lang/older"
)

const (
	enableLine    = "enable"
	configureLine = "configure"
)

// cursor is the position of a session: its mode, resolved. header is the part of Session.Mode below "configure".
type cursor struct {
	level  command.Level
	header []string
	path   []*cli.Match
	out    *leftOut // the block that is being left out, or nil
}

// resolve finds a mode in a configuration. The path ends before a header whose object no longer exists.
func (l *Language) resolve(cfg *config.Config, mode []string) cursor {
	var p cursor
	if len(mode) > 0 && mode[0] == enableLine {
		p.level, mode = command.AdminExec, mode[1:]
		if len(mode) > 0 && mode[0] == configureLine {
			p.level, mode = command.Configuring, mode[1:]
		} else {
			mode = nil
		}
	} else {
		mode = nil
	}
	m := l.table.Root()
	for _, line := range mode {
		if p.out = parseLeftOut(line); p.out != nil {
			break
		}
		match, err := l.table.Match([]cli.Layer{{Mode: m}}, line, cfg)
		if err != nil || match.Stmt.Mode == nil || match.Neg || l.editor.Exists(cfg, append(p.path[:len(p.path):len(p.path)], match)) == len(p.path) {
			break
		}
		p.path, p.header, m = append(p.path, match), append(p.header, line), match.Stmt.Mode
	}
	return p
}

// mode is the inverse of resolve.
func (p cursor) mode() []string {
	switch p.level {
	case command.OperatorExec:
		return nil
	case command.AdminExec:
		return []string{enableLine}
	}
	mode := append([]string{enableLine, configureLine}, p.header...)
	if p.out != nil {
		mode = append(mode, p.out.String())
	}
	return mode
}

// up returns the cursor n modes further out.
func (p cursor) up(n int) cursor {
	p.header, p.path = p.header[:len(p.header)-n], p.path[:len(p.path)-n]
	return p
}

// layer is a mode that may understand a line, and the path to it.
type layer struct {
	path     []*cli.Match
	headers  []string
	implicit string // the header line, if it was not typed
}

// layers lists the modes that may understand a line, starting with the current one. The last one is context cs, whose blocks may be
// pasted at the root.
func (l *Language) layers(cfg *config.Config, p cursor) ([]cli.Layer, []layer) {
	var modes []cli.Layer
	var where []layer
	var within any
	if len(p.path) > 0 {
		within = l.editor.Object(cfg, p.path[:1])
	}
	for i := len(p.path); i > 0; i-- {
		modes = append(modes, cli.Layer{Mode: p.path[i-1].Stmt.Mode, Correct: true, Within: within})
		where = append(where, layer{path: p.path[:i:i], headers: p.header[:i:i]})
	}
	modes = append(modes, cli.Layer{Mode: l.table.Root(), Correct: true})
	where = append(where, layer{})
	if header, only := older.Context(cfg, "cs"); only && !(len(p.header) > 0 && traitsOf(p.path[0].Stmt).atRoot) {
		if m, err := l.table.Match([]cli.Layer{{Mode: l.table.Root()}}, header, cfg); err == nil {
			modes = append(modes, cli.Layer{Mode: m.Stmt.Mode, Correct: true, Blocks: true, Within: l.editor.Object(cfg, []*cli.Match{m})})
			where = append(where, layer{path: []*cli.Match{m}, headers: []string{header}, implicit: header})
		}
	}
	return modes, where
}

// prompt formats the prompt as Trinity does.
func (l *Language) prompt(hostname string, p cursor) string {
	switch {
	case p.level == command.OperatorExec:
		return hostname + ">"
	case p.level == command.AdminExec:
		return hostname + "#"
	case p.out != nil && p.out.sure:
		return hostname + "(?)#"
	case len(p.path) == 0:
		return hostname + "(cfg)#"
	}
	last := p.path[len(p.path)-1]
	if name := strings.Join(last.Key(), " "); name != "" {
		return fmt.Sprintf("%s(%s)[%s]#", hostname, last.Stmt.Prompt, name)
	}
	return fmt.Sprintf("%s(%s)#", hostname, last.Stmt.Prompt)
}

// atRoot returns the statement whose blocks may stand at the root.
func (l *Language) atRoot() *cli.Stmt {
	for _, s := range l.table.Root().Stmts() {
		if traitsOf(s).atRoot {
			return s
		}
	}
	return nil
}
