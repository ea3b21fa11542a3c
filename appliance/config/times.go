package config

import (
	"strings"
	"time"
)

// IsClock reports whether a property is read from the clock, so that keys are periods: 08:00-17:00, mon-fri, 24.12.2026.
func (p Property) IsClock() bool { return p == TimeOfDay || p == Date || p == DayOfWeek }

// Period is a key of a table of time, date or day-of-week, in seconds or days.
type Period struct {
	property        Property
	from, to, cycle int
}

// ParsePeriod reads the key of a table of a clock's property. The error is a *PatternError.
func ParsePeriod(p Property, key string) (Period, error) {
	from, to, cycle, err := timeRange(p, key)
	return Period{p, from, to, cycle}, err
}

// Length is how long the period is: the shortest one that holds an instant is the best.
func (p Period) Length() int {
	if p.to < p.from && p.cycle > 0 { // 22:00-06:00, fri-mon
		return p.to - p.from + p.cycle
	}
	return p.to - p.from
}

// Holds reports whether an instant is in the period.
func (p Period) Holds(now time.Time) bool {
	at := instant(p.property, now) - p.from
	if at < 0 && p.cycle > 0 {
		at += p.cycle
	}
	return at >= 0 && at <= p.Length()
}

// timeRange parses A or A-B into seconds of the day, days of the week or days since 1970, both ends included. Cycle is after how
// many the range begins anew, 0 for dates.
func timeRange(p Property, key string) (from, to, cycle int, err error) {
	a, b, isRange := strings.Cut(key, "-")
	from, last, ok := timePoint(p, a)
	if !ok {
		return 0, 0, 0, &PatternError{Key: key, Pos: 0, Text: "is not " + timeForms[p]}
	}
	if to = last; isRange {
		if _, to, ok = timePoint(p, b); p == TimeOfDay && ok && strings.Count(b, ":") == 1 {
			to -= 60 // 08:00-17:00 ends where 17:00-08:00 begins
		} else if p == TimeOfDay && strings.TrimSpace(b) == "24:00" {
			to, ok = 24*3600-1, true
		}
		if !ok {
			return 0, 0, 0, &PatternError{Key: key, Pos: len(a) + 1, Text: "is not " + timeForms[p]}
		}
	}
	switch p {
	case TimeOfDay:
		cycle = 24 * 3600
	case DayOfWeek:
		cycle = 7
	default:
		if to < from {
			return 0, 0, 0, &PatternError{Key: key, Pos: len(a) + 1, Text: "ends before it begins"}
		}
	}
	return from, to, cycle, nil
}

var timeForms = map[Property]string{
	TimeOfDay: "a time such as 08:00 or 17:30:00",
	Date:      "a date such as 24.12.2026",
	DayOfWeek: "a day such as mon or monday",
}

// timePoint parses one end of a range: the first and the last second or day that it stands for (08:00 is a whole minute).
func timePoint(p Property, s string) (first, last int, ok bool) {
	s = strings.TrimSpace(s)
	switch p {
	case TimeOfDay:
		if t, err := time.Parse(time.TimeOnly, s); err == nil {
			return instant(p, t), instant(p, t), true
		}
		t, err := time.Parse("15:04", s)
		return instant(p, t), instant(p, t) + 59, err == nil
	case Date:
		t, err := time.Parse("02.01.2006", s)
		return instant(p, t), instant(p, t), err == nil
	case DayOfWeek:
		for d := time.Sunday; d <= time.Saturday; d++ {
			if name := d.String(); strings.EqualFold(s, name) || strings.EqualFold(s, name[:3]) {
				return int(d), int(d), true
			}
		}
	}
	return 0, 0, false
}

// instant is where a time stands on the scale of a table type.
func instant(p Property, t time.Time) int {
	switch p {
	case TimeOfDay:
		return t.Hour()*3600 + t.Minute()*60 + t.Second()
	case DayOfWeek:
		return int(t.Weekday())
	}
	y, m, d := t.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// Instant is the time nearest after now that a value of a clock's property names: 03:00 today, a date at this time of day, the next
// tuesday. The error is a *PatternError.
func Instant(p Property, value string, now time.Time) (time.Time, error) {
	period, err := ParsePeriod(p, value)
	if err != nil {
		return now, err
	}
	y, month, d := now.Date()
	h, m, s := now.Clock()
	switch p {
	case TimeOfDay:
		h, m, s = period.from/3600, period.from/60%60, period.from%60
	case Date:
		y, month, d = time.Unix(int64(period.from)*86400, 0).UTC().Date()
	case DayOfWeek:
		d += (period.from - int(now.Weekday()) + 7) % 7
	}
	return time.Date(y, month, d, h, m, s, 0, now.Location()), nil
}
