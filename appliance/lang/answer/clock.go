package answer

import (
	"fmt"
	"time"

	"viaduct/appliance/status"
)

// Time shows the time.
func (pg Page) Time(now status.Clock) {
	pg.Printf("%s\n", pg.time(now.Now))
	if !now.Synced {
		pg.Printf("Not synchronised.\n")
	}
}

// TimeServers shows the time servers and the state of synchronisation.
func (pg Page) TimeServers(k status.Clock) {
	pg.Printf("Synchronised: %s\n", yesNo(k.Synced))
	if k.Server != "" {
		pg.Printf("Server: %s, stratum %d\n", k.Server, k.Stratum)
	}
	if !k.Last.IsZero() {
		pg.Printf("Last answer: %s ago, offset %s\n", span(k.Now.Sub(k.Last)), k.Offset.Round(time.Microsecond))
	}
	if k.Error != "" {
		pg.Printf("Trouble: %s\n", k.Error)
	}
	if !k.Next.IsZero() {
		pg.Printf("Next query in: %s, every %s\n", span(max(0, k.Next.Sub(k.Now))), k.Interval)
	}
	if k.Adjustable {
		pg.Printf("Drift: %+.3f ppm\n", k.Drift)
	} else {
		pg.Printf("Another program sets the clock; the box only compares it.\n")
	}
	if len(k.Servers) == 0 {
		return
	}
	rows := [][]string{{"", "Role", "Server", "Address", "Stratum", "Offset", "Distance", "Last answer", "Trouble"}}
	for _, s := range k.Servers {
		row := []string{map[bool]string{true: "*", false: " "}[s.Used], s.Role, s.Host, endpoint(s.Address), "-", "-", "-", "-", dash(s.Error)}
		if !s.Last.IsZero() {
			row[4], row[5], row[6] = fmt.Sprint(s.Stratum), s.Offset.Round(time.Microsecond).String(), s.Distance.Round(time.Microsecond).String()
			row[7] = span(k.Now.Sub(s.Last)) + " ago"
		}
		rows = append(rows, row)
	}
	pg.Columns(rows)
}
