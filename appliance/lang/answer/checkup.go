package answer

import (
	"strings"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// checkWords are the states of a step, of one width.
var checkWords = map[status.CheckState]string{
	status.CheckOK: "ok       ", status.CheckWarning: "WARNING  ", status.CheckFailed: "FAILED   ", status.CheckSkipped: "skipped  ",
}

// CheckStep prints one step of a check: in one line when it is well, else with what was seen and the cure.
func (pg Page) CheckStep(x status.CheckStep) {
	word := checkWords[x.State]
	below := strings.Repeat(" ", len(word))
	switch x.State {
	case status.CheckSkipped:
		pg.Folded(word, x.Title+": skipped because this failed: "+x.Because)
		return
	case status.CheckOK:
		text := x.Title
		if len(x.Seen) > 0 {
			text += ": " + strings.Join(x.Seen, "; ")
		}
		pg.Folded(word, text)
		return
	}
	pg.Folded(word, x.Title+": "+x.Problem)
	for _, line := range x.Seen {
		pg.Folded(below, line)
	}
	if x.Advice != "" {
		pg.Folded(below+"cure: ", x.Advice)
	}
	for _, line := range x.Cure {
		pg.Printf("%s    %s\n", below, line)
	}
}

// CheckEnd sums a check up, and names where to begin.
func (pg Page) CheckEnd(c status.Checkup) {
	count := map[status.CheckState]int{}
	first := ""
	for _, x := range c.Steps {
		count[x.State]++
		if x.State == status.CheckFailed && first == "" {
			first = x.Title
		}
	}
	pg.Printf("%s ok, %s, %d failed, %d skipped, in %.1f s\n", plural.Of(count[status.CheckOK], "step"), plural.Of(count[status.CheckWarning], "warning"),
		count[status.CheckFailed], count[status.CheckSkipped], c.Ended.Sub(c.Started).Seconds())
	if first != "" {
		pg.Folded("Begin with: ", first)
	}
}
