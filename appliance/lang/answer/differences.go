package answer

import (
	"slices"

	"viaduct/appliance/plural"
)

// Differences prints the lines that only one of two configurations has, up to most lines (0: all), and returns how many lines differ.
func (pg Page) Differences(a, b string, before, after []ConfigLine, most int) int {
	gone, come := missingIn(before, after), missingIn(after, before)
	n, all := 0, len(gone)+len(come)
	if all == 0 {
		return 0
	}
	pg.Printf("- only in %s\n+ only in %s\n", a, b)
	line := func(format string, a ...any) {
		if n++; most == 0 || n <= most {
			pg.Printf(format, a...)
		}
	}
	for _, block := range blocksOf(gone, come) {
		if block != "" && (most == 0 || n < most) {
			pg.Printf("%s\n", block)
		}
		for _, l := range gone {
			if l.Block == block {
				line("- %s\n", l.Text)
			}
		}
		for _, l := range come {
			if l.Block == block {
				line("+ %s\n", l.Text)
			}
		}
	}
	if most > 0 && all > most {
		pg.Printf("... and %s\n", plural.Of(all-most, "more line"))
	}
	return all
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

func blocksOf(lists ...[]ConfigLine) (blocks []string) {
	seen := map[string]bool{}
	for _, list := range lists {
		for _, l := range list {
			if !seen[l.Block] {
				seen[l.Block] = true
				blocks = append(blocks, l.Block)
			}
		}
	}
	slices.Sort(blocks)
	return blocks
}
