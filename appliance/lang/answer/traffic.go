package answer

import (
	"fmt"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Traffic shows how many calls there were, and what became of them.
func (pg Page) Traffic(t status.Traffic, peaks []status.Peak) {
	pg.Printf("Since %s: %s, %s answered%s, %d at once at most\n", pg.time(t.Since), plural.Of(t.Calls, "call"), fmt.Sprint(t.Answered), share(t.Answered, t.Calls), t.Most)
	if t.Answered > 0 {
		pg.Printf("Talked: %s, %s on average\n", span(t.Talk), span(t.Talk/time.Duration(t.Answered)))
	}
	if t.OneWay > 0 {
		pg.Printf("One-way voice: %s; `show calls history` marks them\n", plural.Of(t.OneWay, "call"))
	}
	if t.Emergency > 0 {
		pg.Printf("Emergency: %s\n", plural.Of(t.Emergency, "call"))
	}
	rows := [][]string{{"Interface", "Way", "Calls", "Answered", "MOS", "Unheard"}}
	for _, w := range t.Interfaces {
		way := "from it"
		if w.Outgoing {
			way = "to it"
		}
		rows = append(rows, []string{w.Interface, way, fmt.Sprint(w.Calls), fmt.Sprint(w.Answered) + share(w.Answered, w.Calls), known(w.MOS, "%.1f"), fmt.Sprint(w.Unheard)})
	}
	if len(rows) > 1 {
		pg.Columns(rows)
	}
	pg.failures("Calls that were not answered:", t.Failed)
	for _, w := range t.Interfaces {
		if w.Outgoing {
			pg.failures(fmt.Sprintf("Attempts to reach the peer of %s that failed:", w.Interface), w.Failed)
		}
	}
	for _, p := range peaks {
		pg.Folded("Licenses: ", fmt.Sprintf("%d %s in use at once at most since the start, %s refused", p.Most, p.Name, plural.Of(p.Refused, "request")))
	}
}

// failures lists what calls failed with.
func (pg Page) failures(title string, list []status.Failure) {
	if len(list) == 0 {
		return
	}
	pg.Printf("%s\n", title)
	for _, f := range list {
		pg.Printf("  %6d  %s\n", f.N, failureText(f))
	}
}

// share is a part of a whole in percent, behind a number.
func share(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d %%)", (100*part+whole/2)/whole)
}
