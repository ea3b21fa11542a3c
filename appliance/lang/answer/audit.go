package answer

import (
	"cmp"
	"strings"
	"time"

	"viaduct/appliance/status"
)

// Audit prints entries of the trail.
func (pg Page) Audit(list []status.Audit) {
	for _, e := range list {
		text := string(e.What)
		if e.Mode != "" {
			text += " [" + e.Mode + "]"
		}
		if e.Line != "" {
			text += ": " + e.Line
		}
		if e.Error != "" {
			text += "; it failed: " + e.Error
		}
		who := cmp.Or(e.Account, "-")
		if e.From != "" {
			who += " at " + e.From
		}
		pg.Folded(e.Time.In(pg.Zone).Format(time.DateTime)+"  ", who+": "+strings.TrimSpace(text))
	}
}
