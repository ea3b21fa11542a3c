package older

import (
	_ "embed"
	"fmt"
	"strings"
)

// Manual tells what becomes of lines that are not in the table: those of the generation before, and those that nobody knows.
func Manual() string {
	var b strings.Builder
	b.WriteString(manualUnknown)
	b.WriteString("\n## Lines of older SmartNodes\n\nThese are taken, with a note that names the line of this box that says the same. `show running-config` prints that one.\n\n")
	for _, o := range forms {
		fmt.Fprintf(&b, "- `%s`\n", o.shown)
	}
	b.WriteString("\nThese are taken and have no effect, with one note each. What is marked as a block is left out with all its lines.\n\n| lines | |\n|---|---|\n")
	for _, h := range noEffects {
		kind := h.why
		if h.Block {
			kind = "block: " + kind
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(h.begins, "`, `"), kind)
	}
	return b.String()
}

//go:embed manual.md
var manualUnknown string
