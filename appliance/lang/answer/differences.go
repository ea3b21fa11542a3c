package answer

import (
	"maps"
	"slices"

	"viaduct/appliance/plural"
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
