package lang

import (
	"regexp"
	"strings"

	"viaduct/appliance/cli"
	"viaduct/appliance/lang/command"
	"viaduct/appliance/status"
)

// What belongs into the trail of what is done to the box: each line that changes the configuration, as show running-config prints it
// without secrets, and each command but those that only look.

// noteChange puts a line of the configuration into the trail. before is how the object read that the line removes.
func (l *Language) noteChange(c *call, w layer, m *cli.Match, before string) {
	if !c.Result.Changed {
		return
	}
	c.Box.Note(status.Audit{What: status.AuditConfiguration, Account: c.Session.User, From: c.Session.TTY}, func(e *status.Audit) {
		e.Mode, e.Line = strings.Join(w.headers, " / "), l.editor.Masked(c.Box.Running(), w.path, m)
		if m.Neg && !strings.HasPrefix(e.Line, "no ") {
			e.Line = "no " + before
		}
	})
}

// doomed is how the object reads that a line removes; "": it removes none.
func (l *Language) doomed(c *call, w layer, m *cli.Match) string {
	if !m.Neg {
		return ""
	}
	return l.editor.Masked(c.Box.Running(), w.path, m)
}

// noteCommand puts a command into the trail, once it has everything that it asks for.
func noteCommand(c *call, m *cli.Match, line string, err error) {
	if command.Looks(m.Stmt.Line.Line) || c.Result.Collect != nil {
		return
	}
	c.Box.Note(status.Audit{What: status.AuditCommand, Account: c.Session.User, From: c.Session.TTY}, func(e *status.Audit) {
		if e.Line = withoutSecrets(m.Stmt.Line.Line, line); err != nil {
			e.Error = withoutSecrets("", err.Error()) // a failed request names its URL
		}
	})
}

var (
	credentials = regexp.MustCompile(`//[^/\s]*@`)
	query       = regexp.MustCompile(`(?i)(https?://[^\s?"]*)\?[^\s"]*`)
	licenseKey  = regexp.MustCompile(`^(\S+\s+\S+\s+\S{8}).+`)
)

// withoutSecrets hides what may be secret in a command, or in its error: credentials and query of a URL, the greater part of a license key.
// The pattern of the command tells where that is: keywords may be abbreviated.
func withoutSecrets(pattern, line string) string {
	line = credentials.ReplaceAllString(strings.TrimSpace(line), "//***@")
	line = query.ReplaceAllString(line, "$1?***")
	if strings.Contains(pattern, " license <key") {
		line = licenseKey.ReplaceAllString(line, "$1***")
	}
	return line
}
