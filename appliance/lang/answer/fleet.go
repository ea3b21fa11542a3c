package answer

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Fleet shows the box as a member of a fleet; off says why nothing is connected, if it is off.
func (pg Page) Fleet(f status.Fleet, off string, now time.Time) {
	pg.Printf("Name: %s\n", dash(f.Name))
	state := f.State.String()
	if !f.Since.IsZero() && f.State != status.FleetOff {
		state += " for " + span(now.Sub(f.Since))
	}
	if f.State == status.FleetOff {
		state += ": " + off
	}
	pg.Printf("State: %s\n", state)
	if f.Hub != "" {
		pg.Printf("Hub: %s\n", f.Hub)
	}
	if f.Why != "" {
		pg.Folded("Error: ", f.Why)
	}
	if f.Cure != "" {
		pg.Folded("Cure: ", f.Cure)
	}
	if f.Next.After(now) {
		pg.Printf("Next attempt: in %s\n", span(f.Next.Sub(now)))
	}
	pg.Printf("Key: %s\n", cmp.Or(f.Key, "none yet"))
	pg.Printf("Operators may connect to: %s\n", cmp.Or(strings.Join(f.Remote, ", "), "nothing"))
	pg.poolLeases(f.Leases)
	pg.tunnels(f.Tunnels, now)
	pg.sent(f.Sent, now)
}

func (pg Page) poolLeases(list []status.PoolLease) {
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"Licenses", "State", "Leased", "Wanted", "Kept", "Most", "Until"}}
	for _, l := range list {
		rows = append(rows, []string{l.Kind, l.State.String(), fmt.Sprint(l.Count), fmt.Sprint(l.Want), fmt.Sprint(l.Min), fmt.Sprint(l.Max), pg.timeOrDash(l.Until)})
	}
	pg.Printf("\n")
	pg.Columns(rows)
	for _, l := range list {
		if !l.Grace.IsZero() {
			pg.Printf("%s: without the hub until %s\n", l.Kind, pg.time(l.Grace))
		}
		if l.Why != "" {
			pg.Folded(l.Kind+": ", l.Why)
		}
	}
}

func (pg Page) timeOrDash(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return pg.time(t)
}

func (pg Page) tunnels(list []status.Tunnel, now time.Time) {
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"Operator", "Service", "For", "Idle for", "In", "Out"}}
	for _, t := range list {
		rows = append(rows, []string{t.Operator, t.Service, sinceOf(t.Since, now), sinceOf(t.Idle, now), octets(t.In), octets(t.Out)})
	}
	pg.Printf("\n")
	pg.Columns(rows)
}

func (pg Page) sent(list []status.FleetSent, now time.Time) {
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"Sent", "Waits", "Last taken"}}
	for _, s := range list {
		last := "-"
		if !s.Last.IsZero() {
			last = span(now.Sub(s.Last)) + " ago"
		}
		rows = append(rows, []string{s.What, octets(s.Waiting), last})
	}
	pg.Printf("\n")
	pg.Columns(rows)
	for _, s := range list {
		if s.Failing != "" {
			pg.Folded(s.What+": ", s.Failing)
		}
		if s.Lost {
			pg.Printf("%s: some were deleted before they were sent\n", s.What)
		}
		if s.Refused > 0 {
			pg.Printf("%s: %s refused by the hub\n", s.What, plural.Of(int(s.Refused), "message"))
		}
	}
}
