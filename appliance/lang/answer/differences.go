package answer

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Differences prints the lines that only one of two configurations has, up to most lines (0: all), and returns how many lines differ.
func (pg Page) Differences(a, b string, before, after []ConfigLine, most int) int {
	list := Changes(before, after)
	if len(list) == 0 {
		return 0
	}
	pg.Printf("- only in %s\n+ only in %s\n", a, b)
	block := ""
	for n, x := range list {
		if most > 0 && n == most {
			pg.Printf("... and %s\n", plural.Of(len(list)-most, "more line"))
			break
		}
		if x.Block != block {
			pg.Printf("%s\n", x.Block)
		}
		block = x.Block
		mark := "-"
		if x.Come {
			mark = "+"
		}
		pg.Printf("%s %s\n", mark, x.Text)
	}
	return len(list)
}

// Change is a line that only one of two configurations has.
type Change struct {
	ConfigLine
	Come bool // only the second has it
}

// Changes lists the lines that only one of two configurations has, block by block, in each first those that only the first one has. The order
// of lines within a block does not matter.
func Changes(before, after []ConfigLine) (list []Change) {
	gone, come := missingIn(before, after), missingIn(after, before)
	at := map[string][]Change{}
	for _, l := range gone {
		at[l.Block] = append(at[l.Block], Change{ConfigLine: l})
	}
	for _, l := range come {
		at[l.Block] = append(at[l.Block], Change{ConfigLine: l, Come: true})
	}
	for _, block := range slices.Sorted(maps.Keys(at)) {
		list = append(list, at[block]...)
	}
	return list
}

// ConfigLine is a line of a configuration and the block around it.
type ConfigLine struct{ Block, Text string }

func missingIn(list, other []ConfigLine) (missing []ConfigLine) {
	have := map[ConfigLine]bool{}
	for _, l := range other {
		have[l] = true
	}
	for _, l := range list {
		if !have[l] {
			missing = append(missing, l)
		}
	}
	return missing
}

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
