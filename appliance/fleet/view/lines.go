package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/printable"
)

const boxWidth = 12 // of the column: most names are shorter

// clock is a time for people.
func clock(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.Local
	}
	if y := t.Year(); t.IsZero() || y < 1970 || y > 9999 {
		return "at no sane time    "
	}
	return t.In(zone).Format(time.DateTime)
}

// line is the alarm for people.
func (a Alarm) line(zone *time.Location) string {
	v := a.Alarm
	name := v.Alarm
	if v.Subject != "" {
		name += " " + v.Subject
	}
	return fmt.Sprintf("%s  %-*s  %-8s  %-7s  %s: %s", clock(v.Time, zone), boxWidth, a.Box, v.Severity, v.What, name, v.Text)
}

// line is the record for people.
func (c Call) line(zone *time.Location) string {
	r := &c.Record
	short := func(s string, n int) string {
		if s == "" {
			return "-"
		}
		return printable.Short(s, n)
	}
	return fmt.Sprintf("%s  %-*s  %s -> %s  %s -> %s  %s", clock(r.Started, zone), boxWidth, c.Box, short(r.Calling, 40), short(r.Called, 40),
		short(r.From, 32), short(r.To, 32), c.Outcome())
}

// Outcome says how a call went.
func (c Call) Outcome() string {
	r := &c.Record
	if !r.Connected.IsZero() {
		return "connected " + duration(r.Ended.Sub(r.Connected)) + ", ended by " + printable.Short(cmpOr(string(r.By), "nobody"), 20)
	}
	text := "not connected, " + strconv.Itoa(bounded(r.Code))
	if r.Reason != "" {
		text += " " + printable.Short(r.Reason, 120)
	}
	return text
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// duration is one in hours, minutes and seconds.
func duration(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// ago is how long something is past, in one unit.
func ago(d time.Duration) string {
	switch s := int(max(d, 0) / time.Second); {
	case s < 120:
		return strconv.Itoa(s) + " s"
	case s < 2*3600:
		return strconv.Itoa(s/60) + " min"
	case s < 48*3600:
		return strconv.Itoa(s/3600) + " h"
	default:
		return plural.Of(s/86400, "day")
	}
}

// size is a number of octets.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return strconv.FormatInt(n>>10, 10) + " KiB"
	default:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	}
}

// WriteBoxes lists a fleet for people: those boxes first that need somebody.
func WriteBoxes(w io.Writer, f Fleet) error {
	if len(f.Boxes) == 0 {
		_, err := fmt.Fprintf(w, "%s has no boxes: `hub box add` takes the first one\n", f.Customer)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BOX\tSTATE\tHEARD\tFIRMWARE\tCALLS\tALARMS\tLEASED\tUNSENT")
	for i := range f.Boxes {
		b := &f.Boxes[i]
		fmt.Fprintln(t, strings.Join([]string{b.Name, b.State.String(), b.heardAgo(f.At), orDash(b.Firmware), b.calls(), b.alarms(), b.leased(), b.unsent()}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range f.Pools {
		if _, err := fmt.Fprintf(w, "%s: %d of %d leased\n", p.Kind, p.Leased, p.Total); err != nil {
			return err
		}
	}
	return nil
}

// WriteBoxesJSON lists a fleet as one object.
func WriteBoxesJSON(w io.Writer, f Fleet) error {
	line, err := oneLine(f)
	if err == nil {
		_, err = io.WriteString(w, line+"\n")
	}
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (b *Box) heardAgo(now time.Time) string {
	if b.Heard.IsZero() {
		return "never"
	}
	return ago(now.Sub(b.Heard)) + " ago"
}

// calls are those now, as far as they are known.
func (b *Box) calls() string {
	if b.State != Connected {
		return "-"
	}
	return strconv.Itoa(b.Calls)
}

// alarms are how many there are, and what the worst one is.
func (b *Box) alarms() string {
	switch {
	case b.Heard.IsZero():
		return "-"
	case b.Count() == 0:
		return "none"
	case len(b.Alarms) == 0:
		return strconv.Itoa(b.Count())
	}
	return fmt.Sprintf("%d, %s: %s", b.Count(), b.Worst(), b.Alarms[0].Alarm)
}

func (b *Box) leased() string {
	var list []string
	for _, s := range b.Leases {
		if s.Count > 0 {
			list = append(list, fmt.Sprintf("%d %s", s.Count, s.Kind))
		}
	}
	return orDash(strings.Join(list, ", "))
}

func (b *Box) unsent() string {
	if b.Unsent == 0 {
		return "-"
	}
	return size(b.Unsent)
}
