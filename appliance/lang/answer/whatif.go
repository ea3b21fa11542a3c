package answer

import (
	"fmt"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// groupsShown limits how many groups of calls are listed.
const groupsShown = 20

// WhatIf lists how calls would go under another configuration.
func (pg Page) WhatIf(name string, r status.WhatIf) {
	pg.Printf("%s since %s under %s\n", plural.Of(r.Calls, "call"), pg.time(r.Since), name)
	if r.Calls > 0 {
		pg.Printf("%6d would go as now\n", r.Same)
	}
	for n, g := range r.Groups {
		if n == groupsShown {
			pg.Printf("and %s of calls\n", plural.Of(len(r.Groups)-n, "further group"))
			break
		}
		urgent := ""
		if g.Emergency > 0 {
			urgent = fmt.Sprintf(" (emergency calls: %d)", g.Emergency)
		}
		pg.Folded(fmt.Sprintf("%6d ", g.Calls), wouldBe(g)+urgent)
		x := g.Example
		pg.Folded("       for example ", fmt.Sprintf("%s calls %s, call %s of %s", dash(x.Calling), dash(x.Called), x.ID, x.Started.In(pg.Zone).Format(time.DateTime)))
		pg.Folded("         now:  ", x.Now)
		pg.Folded("         then: ", x.Then)
	}
	if r.TooOld > 0 {
		pg.Printf("%% note: %s of an older firmware, which say too little, left out\n", plural.Of(r.TooOld, "record"))
	}
	if r.NotAsked > 0 {
		pg.Printf("%% note: the time was up before another %s\n", plural.Of(r.NotAsked, "call"))
	}
}

// wouldBe says what would be different for a group.
func wouldBe(g status.WhatIfGroup) string {
	switch g.Change {
	case status.WouldBeRefused:
		return "would be refused: " + g.Text
	case status.WouldBeAccepted:
		return "are refused now, and would go to " + g.Text
	case status.WouldGoElsewhere:
		return "would go elsewhere: " + g.Text
	case status.WouldCallAnother:
		return "would call another number at " + g.Text
	case status.WouldShowAnother:
		return "would show another caller to " + g.Text
	}
	return "would go in another way"
}
