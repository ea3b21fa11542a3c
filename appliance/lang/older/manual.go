package older

import (
	_ "embed"
	"fmt"
	"strings"
)

// Manual describes the treatment of lines that are not in the table: older and unknown statements.
func Manual() string {
	var b strings.Builder
	b.WriteString(manualUnknown)
	b.WriteString("\n## Lines of older SmartNodes\n\nThese are accepted, with a note that shows the equivalent line of this box. `show running-config` prints that line.\n\n")
	for _, o := range forms {
		fmt.Fprintf(&b, "- `%s`\n", o.shown)
	}
	b.WriteString("\nThese are accepted with a note and have no effect. Those marked as a block are left out with all their lines.\n\n| lines | |\n|---|---|\n")
	for _, h := range noEffects {
		kind := h.why
		if h.Block {
			kind = "block: " + kind
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(h.begins, "`, `"), kind)
	}
	b.WriteString("\n# Commands of other devices\n\nThese are refused, and the message says what takes their place.\n\n| there | |\n|---|---|\n")
	for _, c := range Commands() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(c.Begins, "`, `"), strings.ReplaceAll(c.Here, "|", "\\|"))
	}
	return b.String()
}

//go:embed manual.md
var manualUnknown string
