package lang

import (
	_ "embed"
	"strings"

	"viaduct/appliance/lang/older"
)

// Manual is docs/commands.md: every line and every command, from the table.
func (l *Language) Manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	b.WriteString(l.table.Manual(l.table.Root(), "\n# Lines of a configuration"))
	b.WriteString(l.table.Manual(l.admin, "\n# Commands\n\nThey work in every mode."))
	b.WriteString(older.Manual())
	return b.String()
}

//go:embed manual.md
var manualHead string
