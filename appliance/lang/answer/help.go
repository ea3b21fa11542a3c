package answer

import (
	"fmt"
	"unicode/utf8"

	"viaduct/appliance/cli"
)

// Choices lists what may come next, with its help.
func (pg Page) Choices(list []cli.Choice) {
	const widest = 28
	width, section := 0, ""
	for _, c := range list {
		if n := utf8.RuneCountInString(c.Word); n <= widest {
			width = max(width, n)
		}
	}
	for _, c := range list {
		if c.Section != section {
			section = c.Section
			pg.Printf("%s:\n", section)
		}
		pg.Folded(fmt.Sprintf("  %-*s  ", width, c.Word), c.Help)
	}
}
