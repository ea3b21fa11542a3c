package answer

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// endpoint formats an address and port; "-" if there is none.
func endpoint(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// known formats a figure; zero means unknown.
func known(v float64, format string) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// milliseconds formats a round-trip time, with a decimal for the short ones in a LAN.
func milliseconds(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// octets formats a size.
func octets(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// span formats a duration in days, hours, minutes and seconds.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	days := d / (24 * time.Hour)
	h, m, s := d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	if days > 0 {
		return fmt.Sprintf("%dd %02d:%02d:%02d", days, h, m, s)
	}
	return fmt.Sprintf("%02d:%02d:%02d", h, m, s)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// time formats a time in the configured time zone.
func (pg Page) time(t time.Time) string {
	if t = t.In(pg.Zone); t.Location() == time.UTC {
		return t.Format("2006-01-02 15:04:05 UTC")
	}
	if name, _ := t.Zone(); strings.Trim(name, "+-:0123456789") == "" { // a zone that is an offset has no other name
		return t.Format("2006-01-02 15:04:05 -07:00")
	}
	return t.Format("2006-01-02 15:04:05 -07:00 MST")
}
