package answer

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Redundancy shows the box as one of a pair; off says why it is in none, if it is off.
func (pg Page) Redundancy(r status.Redundancy, off string, now time.Time) {
	state := r.State.String()
	switch {
	case r.State == status.PairOff:
		state += ": " + off
	case !r.Since.IsZero():
		state += " for " + span(now.Sub(r.Since))
	}
	pg.Printf("State: %s\n", state)
	if r.Why != "" {
		pg.Folded("Because: ", r.Why)
	}
	if r.Box != 0 {
		pg.Printf("This box: %d, priority %d\n", r.Box, r.Priority)
	} else {
		pg.Printf("This box: none of the two\n")
	}
	if r.Router != 0 {
		pg.Printf("Number of the pair: %d\n", r.Router)
	}
	pg.Printf("Key: %s\n", cmp.Or(r.Key, "none yet"))
	if r.State == status.PairOff {
		return
	}
	pg.otherBox(r.Other, now)
	pg.pairPorts(r, now)
	pg.replication(r, now)
	pg.pairDifferences(r)
	pg.changes(r.Switches)
}

// heardAgo says when something was heard last.
func heardAgo(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < 2*time.Second:
		return "now"
	default:
		return span(d) + " ago"
	}
}

func (pg Page) otherBox(o status.PairOther, now time.Time) {
	pg.Printf("\n")
	if o.Role == "" {
		pg.Printf("Other box: nothing is heard of it\n")
	} else {
		could := ""
		if o.Role == status.PairStandby.String() {
			could = ", cannot take over yet"
			if o.Eligible {
				could = ", can take over"
			}
		}
		pg.Printf("Other box: %d, %s%s\n", o.Box, o.Role, could)
		pg.Printf("  Serial number: %s\n", dash(o.Serial))
		pg.Printf("  Release: %s\n", dash(o.Release))
		pg.Printf("  Priority: %d\n", o.Priority)
		pg.Printf("  Calls: %d\n", o.Calls)
		pg.Printf("  Heard: %s\n", heardAgo(o.Heard, now))
	}
	if o.Linked {
		pg.Printf("  Direct path: works\n")
	} else {
		pg.Folded("  Direct path: ", "does not work: "+cmp.Or(o.Why, "the other box does not answer"))
	}
}

// asked says how the witness of a port stands.
func asked(p status.PairPort) string {
	switch p.Witness {
	case "heard":
		return p.Asked + " answers"
	case "silent":
		return p.Asked + " is silent"
	}
	if p.Asked != "" {
		return p.Asked + " has never answered"
	}
	return "-"
}

// vrrp says whether VRRP passes at a port. The active box alone sends it.
func vrrp(r status.Redundancy, p status.PairPort, now time.Time) string {
	switch {
	case r.State != status.PairActive && r.State != status.PairSwitching:
		return "heard here: " + heardAgo(p.Heard, now)
	case p.There:
		return "heard there"
	}
	return "not heard there"
}

func (pg Page) pairPorts(r status.Redundancy, now time.Time) {
	if len(r.Ports) == 0 {
		return
	}
	of := [][]string{{"Interface", "Device", "Of the pair", "Here", "Own address", "Other box"}}
	heard := [][]string{{"Interface", "Link", "VRRP", "Witness"}}
	for _, p := range r.Ports {
		link, virtual, here := "down", strings.Join(p.Virtual, ", "), yesNo(p.Held)
		if p.Carrier {
			link = "up"
		}
		if p.Direct {
			virtual, here = "direct path", "-"
		}
		of = append(of, []string{p.Name, p.Device, dash(virtual), here, dash(p.Own), dash(p.Others)})
		heard = append(heard, []string{p.Name, link, vrrp(r, p, now), asked(p)})
	}
	pg.Printf("\n")
	pg.Columns(of)
	pg.Printf("\n")
	pg.Columns(heard)
	for _, p := range r.Ports {
		if p.Why != "" {
			pg.Folded(p.Name+": ", p.Why)
		}
		if p.Foreign > 0 {
			pg.Printf("%s: %s with the number of this pair from other devices, ignored\n", p.Name, plural.Of(int(p.Foreign), "packet"))
		}
	}
}

// kinds are the entries of the table by the words of users; others are named as they are.
var kinds = map[string]string{"held": "waiting call", "media": "voice stream", "rescued": "list of emergency callers"}

func (pg Page) replication(r status.Redundancy, now time.Time) {
	p := r.Replication
	var what []string
	for _, kind := range slices.Sorted(maps.Keys(p.Entries)) {
		what = append(what, plural.Of(p.Entries[kind], cmp.Or(kinds[kind], kind)))
	}
	of := "Copied to the other box: "
	if r.State == status.PairStandby || r.State == status.PairJoining {
		of = "Copied from the other box: "
	}
	text := "not everything yet"
	if p.Synced {
		text = "everything"
	}
	if len(what) > 0 {
		text += "; " + strings.Join(what, ", ") + "; " + octets(p.Octets)
	}
	pg.Printf("\n")
	pg.Folded(of, text)
	if p.Why != "" {
		pg.Folded("Not taken: ", p.Why)
	}
	if !p.Last.IsZero() {
		pg.Printf("Last copied: %s\n", heardAgo(p.Last, now))
	}
	if p.Refused > 0 {
		pg.Printf("Not copied, because it was too large or too much: %s\n", plural.Of(int(p.Refused), "value"))
	}
}

// remedies say what to do about a difference that stays. The active box copies to the standby all that it can.
var remedies = map[string]string{
	"firmware":       "install the image of the newer box on the other one, and restart it: `copy URL flash:`, then `reload` there",
	"built-in roots": "they are part of the firmware: both boxes need the same",
}

// sum is what is compared, or the beginning of its sum; enough to tell two apart.
func sum(s string) string {
	const sumSize, enough = 32, 12
	if _, err := hex.DecodeString(s); err == nil && len(s) >= sumSize {
		return s[:enough]
	}
	return cmp.Or(s, "missing")
}

func (pg Page) pairDifferences(r status.Redundancy) {
	if len(r.Differences) == 0 {
		if r.Other.Linked && r.Replication.Synced {
			pg.Printf("Both boxes are alike\n")
		}
		return
	}
	rows := [][]string{{"What differs", "This box", "Other box"}}
	for _, d := range r.Differences {
		rows = append(rows, []string{d.What, sum(d.Here), sum(d.There)})
	}
	pg.Printf("\n")
	pg.Columns(rows)
	for _, d := range r.Differences {
		copied := "the active box copies it within seconds; if this stays, the direct path does not work, or the standby cannot use what it got: see `show alarms` there"
		pg.Folded(d.What+": ", cmp.Or(remedies[d.What], copied))
	}
}

func (pg Page) changes(list []status.PairRoleChanged) {
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"When", "Became", "Calls", "Because"}}
	for _, s := range list {
		rows = append(rows, []string{pg.time(s.At), s.Role, fmt.Sprint(s.Calls), s.Why})
	}
	pg.Printf("\n")
	pg.Columns(rows)
}
