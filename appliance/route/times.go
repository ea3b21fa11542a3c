package route

import (
	"strings"
	"time"

	"viaduct/appliance/config"
)

// isClock reports whether tables of this type compare with ranges of time instead of characters.
func isClock(p config.Property) bool {
	return p == config.TimeOfDay || p == config.Date || p == config.DayOfWeek
}

// chooseTime returns the route whose range holds the time; of several the shortest range, then the first line. Keys that are no
// range match nothing.
func chooseTime(list []config.Route, p config.Property, now time.Time) (best int, found bool) {
	shortest := 0
	for i := range list {
		if list[i].Default {
			continue
		}
		from, to, cycle, err := timeRange(p, list[i].Key.String())
		if err != nil {
			continue
		}
		length := to - from
		if length < 0 && cycle > 0 { // 22:00-06:00, fri-mon
			length += cycle
		}
		at := instant(p, now) - from
		if at < 0 && cycle > 0 {
			at += cycle
		}
		if at >= 0 && at <= length && (!found || length < shortest) {
			best, shortest, found = i, length, true
		}
	}
	return best, found
}

// CheckTimeKey reports what is wrong with a key of a table of type time, date or day-of-week; other types have nothing to check
// here. The error is a *config.PatternError.
func CheckTimeKey(p config.Property, key string) error {
	if !isClock(p) {
		return nil
	}
	_, _, _, err := timeRange(p, key)
	return err
}

// timeRange parses A or A-B into seconds of the day, days of the week or days since 1970, both ends included. Cycle is after how
// many the range begins anew, 0 for dates.
func timeRange(p config.Property, key string) (from, to, cycle int, err error) {
	a, b, isRange := strings.Cut(key, "-")
	from, last, ok := timePoint(p, a)
	if !ok {
		return 0, 0, 0, &config.PatternError{Key: key, Pos: 0, Text: "is not " + timeForms[p]}
	}
	if to = last; isRange {
		if _, to, ok = timePoint(p, b); p == config.TimeOfDay && ok && strings.Count(b, ":") == 1 {
			to -= 60 // 08:00-17:00 ends where 17:00-08:00 begins
		} else if p == config.TimeOfDay && strings.TrimSpace(b) == "24:00" {
			to, ok = 24*3600-1, true
		}
		if !ok {
			return 0, 0, 0, &config.PatternError{Key: key, Pos: len(a) + 1, Text: "is not " + timeForms[p]}
		}
	}
	switch p {
	case config.TimeOfDay:
		cycle = 24 * 3600
	case config.DayOfWeek:
		cycle = 7
	default:
		if to < from {
			return 0, 0, 0, &config.PatternError{Key: key, Pos: len(a) + 1, Text: "ends before it begins"}
		}
	}
	return from, to, cycle, nil
}

var timeForms = map[config.Property]string{
	config.TimeOfDay: "a time such as 08:00 or 17:30:00",
	config.Date:      "a date such as 24.12.2026",
	config.DayOfWeek: "a day such as mon or monday",
}

// timePoint parses one end of a range: the first and the last second or day that it stands for (08:00 is a whole minute).
func timePoint(p config.Property, s string) (first, last int, ok bool) {
	s = strings.TrimSpace(s)
	switch p {
	case config.TimeOfDay:
		if t, err := time.Parse(time.TimeOnly, s); err == nil {
			return instant(p, t), instant(p, t), true
		}
		t, err := time.Parse("15:04", s)
		return instant(p, t), instant(p, t) + 59, err == nil
	case config.Date:
		t, err := time.Parse("02.01.2006", s)
		return instant(p, t), instant(p, t), err == nil
	case config.DayOfWeek:
		for d := time.Sunday; d <= time.Saturday; d++ {
			if name := d.String(); strings.EqualFold(s, name) || strings.EqualFold(s, name[:3]) {
				return int(d), int(d), true
			}
		}
	}
	return 0, 0, false
}

// instant is where a time stands on the scale of a table type.
func instant(p config.Property, t time.Time) int {
	switch p {
	case config.TimeOfDay:
		return t.Hour()*3600 + t.Minute()*60 + t.Second()
	case config.DayOfWeek:
		return int(t.Weekday())
	}
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}
