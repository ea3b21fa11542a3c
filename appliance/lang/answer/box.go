package answer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/plural"
	"viaduct/appliance/release"
	"viaduct/appliance/source"
	"viaduct/appliance/status"
)

// Version shows versions and the serial number. Reload says when a scheduled reload happens; "" if there is none.
func (pg Page) Version(v status.System, now time.Time, reload string) {
	pg.Printf("%s (Board:%s; Serial:%s; Software Version:%s; %s)\n", v.Product, v.Board, v.Serial, v.Release, v.GoVersion)
	if v.Commit != "" {
		pg.Printf("Commit: %s\n", v.Commit)
	}
	if !v.Built.IsZero() {
		pg.Printf("Built: %s\n", release.Time(v.Built))
	}
	if !v.Started.IsZero() {
		pg.Printf("Up for %s\n", span(now.Sub(v.Started)))
	}
	if reload != "" {
		pg.Printf("Reload %s\n", reload)
	}
	for _, line := range []struct{ name, value string }{
		{"Memory", fmt.Sprintf("%.1f MiB", float64(v.Memory)/(1<<20))}, {"Load", v.Load}, {"Temperature", temperature(v)},
	} {
		if line.value != "" {
			pg.Printf("%s: %s\n", line.name, line.value)
		}
	}
}

// System shows uptime, load, memory and temperature.
func (pg Page) System(v status.System, now time.Time, reload string, calls, sessions int) {
	rows := [][]string{
		{"Serial number:", v.Serial}, {"Software:", v.Product + " " + v.Release}, {"Board:", v.Board},
		{"Time:", pg.time(now)},
	}
	if !v.Started.IsZero() {
		rows = append(rows, []string{"Up for:", span(now.Sub(v.Started))})
	}
	if o := v.Overload; o.Refused > 0 || o.State != status.Calm {
		text := fmt.Sprintf("%v, %d new calls refused since the start", o.State, o.Refused)
		if o.Rate > 0 {
			text += fmt.Sprintf(", %.0f per second are let in", o.Rate)
		}
		rows = append(rows, []string{"Overload:", text})
	}
	for _, d := range v.Draining {
		rows = append(rows, []string{"Draining:", pg.drain(d)})
	}
	if len(v.Start) > 0 {
		rows = append(rows, []string{"Start:", v.Start.String() + " s"})
	}
	if reload != "" {
		rows = append(rows, []string{"Reload:", reload})
	}
	rows = append(rows, []string{"Load:", dash(v.Load)}, []string{"Memory:", fmt.Sprintf("%.1f MiB in use by sbcd", float64(v.Memory)/(1<<20))})
	for _, x := range []struct {
		name string
		status.Space
	}{{"Free memory:", v.RAM}, {"Free flash:", v.Flash}} {
		if x.Total > 0 {
			rows = append(rows, []string{x.name, fmt.Sprintf("%d of %d MiB", x.Free>>20, x.Total>>20)})
		}
	}
	rows = append(rows, []string{"Temperature:", dash(temperature(v))},
		[]string{"Calls:", fmt.Sprint(calls)}, []string{"Sessions:", fmt.Sprint(sessions)})
	for _, row := range rows { // in no table: one long value would break all its rows
		pg.Folded(fmt.Sprintf("%-14s  ", row[0]), row[1])
	}
}

// drain says how far something is out of service.
func (pg Page) drain(d status.Drain) string {
	text := fmt.Sprintf("%s since %s, by %s: %s", d.What, pg.time(d.Since), d.By, plural.Of(d.Calls, "call"))
	switch d.State {
	case status.Draining:
		text += " left, new ones are refused from " + pg.time(d.Next)
	case status.Refusing:
		text += " left, new ones are refused"
	case status.Drained:
		return fmt.Sprintf("%s since %s, by %s: no call is left, new ones are refused", d.What, pg.time(d.Since), d.By)
	}
	return text + "; what is left is ended at " + pg.time(d.Limit)
}

// temperature formats the temperature; "" if the board does not report it.
func temperature(s status.System) string {
	if s.Temperature == nil {
		return ""
	}
	return fmt.Sprintf("%.0f °C", *s.Temperature)
}

// Uptime shows how long the box has run.
func (pg Page) Uptime(v status.System, now time.Time) {
	pg.Printf("Up for %s\n", span(now.Sub(v.Started)))
}

// Sessions lists who is logged in.
func (pg Page) Sessions(list []status.Session) {
	rows := [][]string{{"User", "Class", "Terminal", "Since"}}
	for _, s := range list {
		rows = append(rows, []string{dash(s.User), s.Class, dash(s.TTY), pg.time(s.Since)})
	}
	pg.Columns(rows)
}

// Bans lists the sources of wrong passwords.
func (pg Page) Bans(list []status.Ban) {
	rows := [][]string{{"Source", "Wrong passwords", "Banned for"}}
	for _, b := range list {
		left := "-"
		if b.Left > 0 {
			left = span(b.Left.Round(time.Second))
		}
		rows = append(rows, []string{source.Name(b.Source), fmt.Sprint(b.Wrong), left})
	}
	if len(rows) == 1 {
		pg.Printf("No wrong passwords in the last ten minutes.\n")
		return
	}
	pg.Columns(rows)
}

// Images lists the firmware images.
func (pg Page) Images(images status.Images) {
	pg.Printf("Board: %s\n\n", images.Board)
	rows := [][]string{{"Slot", "Version", "Commit", "Built (UTC)", "State"}}
	for _, i := range images.Slots {
		built := "-"
		if !i.Built.IsZero() {
			built = strings.TrimSuffix(release.Time(i.Built), " UTC") // as wide as the screen allows
		}
		rows = append(rows, []string{i.Slot, dash(i.Version), dash(shortCommit(i.Commit)), built, stateOf(i)})
	}
	pg.Columns(rows)
}

// stateOf describes the state of a slot.
func stateOf(i status.Image) string {
	switch {
	case i.Running && i.Trial:
		return fmt.Sprintf("running, on trial: start %d of %d", i.Tries, i.MaxTries)
	case i.Running && i.Next:
		return "running, confirmed; starts next"
	case i.Running:
		return "running, confirmed"
	case i.Version == "":
		return "empty"
	case i.Failed:
		return fmt.Sprintf("failed: did not come up well in %d starts", i.MaxTries)
	case i.Next && i.Trial:
		return fmt.Sprintf("starts next, on trial: %d tries", i.MaxTries)
	case i.Next:
		return "starts next"
	}
	return "kept"
}

// shortCommit abbreviates the hash of a commit.
func shortCommit(commit string) string { return commit[:min(len(commit), 12)] }

// Alarms lists active alarms, with advice.
func (pg Page) Alarms(list []health.Alarm) {
	rows := [][]string{{"Severity", "Since", "Alarm"}}
	for _, a := range list {
		rows = append(rows, []string{a.Severity.String(), a.Since.In(pg.Zone).Format(time.DateTime), a.ID})
		seen := ""
		if a.Seen != "" {
			seen = "Acknowledged by " + a.Seen + "."
		}
		for _, line := range slices.Concat(fold(indent, a.Text), fold(indent, a.Advice), fold(indent, seen)) {
			if strings.TrimSpace(line) != "" {
				rows = append(rows, []string{line})
			}
		}
		for _, line := range a.Cure {
			rows = append(rows, []string{"        " + line})
		}
	}
	if len(rows) == 1 {
		pg.Printf("No alarms.\n")
		return
	}
	pg.Columns(rows)
}

// AlarmHistory prints alarms of the past.
func (pg Page) AlarmHistory(list []health.Episode) {
	rows := [][]string{{"Raised", "Lasted", "Times", "Severity", "Alarm"}}
	for _, e := range list {
		lasted := e.Lasted.Round(time.Second).String()
		switch {
		case e.Interrupted:
			lasted = "until a restart"
		case e.Cleared.IsZero():
			lasted = "still raised"
		}
		rows = append(rows, []string{e.Raised.In(pg.Zone).Format(time.DateTime), lasted, fmt.Sprint(e.Times), e.Severity.String(), e.ID})
		for _, line := range fold(indent, e.Text) {
			rows = append(rows, []string{line})
		}
	}
	if len(rows) == 1 {
		pg.Printf("No alarm was raised.\n")
		return
	}
	pg.Columns(rows)
}
