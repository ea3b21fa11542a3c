package config

import (
	"errors"
	"testing"
	"time"
)

func TestKeysThatCanNeverMatchAreRefused(t *testing.T) {
	for _, x := range []struct {
		p   Property
		key string
		pos int
	}{
		{TimeOfDay, "8 o'clock", 0}, {TimeOfDay, "08:00-25:00", 6}, {TimeOfDay, "08.00-17.00", 0}, {TimeOfDay, "0800-1700", 0}, {TimeOfDay, "lunch", 0},
		{TimeOfDay, "08:00–17:00", 0}, {TimeOfDay, "", 0},
		{DayOfWeek, "mon-fry", 4}, {DayOfWeek, "mo-fr", 0}, {DayOfWeek, "weekdays", 0}, {DayOfWeek, "1-5", 0},
		{Date, "24.12.2026-23.12.2026", 11}, {Date, "31.02.2026", 0}, {Date, "24.12.", 0}, {Date, "24.12.26", 0}, {Date, "2026-12-24", 0}, {Date, "24.12.2026-1.1.2027", 11},
		{CallingPI, "national", 0}, {CallingPI, "restrict(ed)?$x", 0}, {CallingPI, "yes", 0}, {CallingSI, "screened", 0},
		{CallingIP, "pbx.example.com", 0}, {CalledIP, "192.0.2.0/33", 9}, {CallingIP, "192.0.2.0/255.255.255.0", 9}, {CallingIP, "any", 1},
		{CallingIP, "192.0.2.300", 0}, {CallingIP, "192.0.2.", 0}, {CallingIP, "192.0.2", 0}, {CallingIP, "10", 0}, {CalledIP, "2001:db8", 0}, {CallingIP, "192.0.2.010", 0},
		{CallingIP, "192.0.2.10-192.0.2.20", 10}, {CallingIP, "192.0.2.10-20", 10}, {CallingIP, "192.0.2.*", 0}, {CallingIP, "*.0.2.1", 0}, {CallingIP, "192.0.2.1,192.0.2.2", 9},
		{CalledE164, "DEFAULT", 0}, {CallingName, "Default", 0}, {TimeOfDay, "default", 0},
	} {
		var e *PatternError
		if _, err := ParseKey(x.p, x.key); !errors.As(err, &e) || e.Pos != x.pos {
			t.Errorf("%s %q: %v, want a mark at %d", x.p, x.key, err, x.pos)
		}
	}
}

func TestTypedKeys(t *testing.T) {
	for _, x := range []struct {
		p          Property
		key, value string
		want       bool
	}{
		{CallingIP, "192.0.2.0/24", "192.0.2.7", true},
		{CallingIP, "192.0.2.0/24", "192.0.20.7", false},
		{CallingIP, "192.0.2.7/24", "192.0.2.99", true},
		{CallingIP, "192.0.2.7", "192.0.2.7", true},
		{CallingIP, "192.0.2.7", "192.0.2.70", false},
		{CallingIP, "192.0.2.7", "192x0.2.7", false},
		{CallingIP, `192\.0\.2\.`, "192.0.2.7", true},
		{CallingIP, `192\.0\.2\.[0-9]+$`, "192.0.2.7", true},
		{CallingIP, "192.0.2..", "192.0.2.7", true},
		{CallingIP, `10\.(1|2){1,2}\..*`, "10.1.0.7", true},
		{CallingIP, "192.0.2.0/24", "::ffff:192.0.2.7", true},
		{CalledIP, "2001:db8::/32", "2001:db8::7", true},
		{CallingIP, "0.0.0.0/0", "", false},
		{CalledE164, "T", "030123", true},
		{CalledE164, "T", "+4930123", true},
		{CalledE164, "0T", "030123", true},
		{CallingName, "T", "030123", false},
		{CallingPI, "restricted", "restricted", true},
		{CallingPI, "allowed|interworking", "allowed", true},
		{CallingSI, "network", "network-provided", true},
		{CalledURI, "sip:+49", "sip:+4930@h", true},
		{CalledURI, "sip:+49(.*)@", "sip:+4930@h", true},
		{CalledURI, "(sip|tel):+49", "tel:+4930", true},
	} {
		k, err := ParseKey(x.p, x.key)
		if err != nil {
			t.Errorf("%s %q: %v", x.p, x.key, err)
			continue
		}
		if _, ok := k.Match(x.value); ok != x.want {
			t.Errorf("%s %q on %q: %v", x.p, x.key, x.value, ok)
		}
	}
}

func TestTheSmallestNetworkIsTheBest(t *testing.T) {
	match := func(key string) Match {
		k, err := ParseKey(CallingIP, key)
		m, ok := k.Match("192.0.2.7")
		if err != nil || !ok {
			t.Fatal(key, err, ok)
		}
		return m
	}
	for _, wider := range []string{"0.0.0.0/0", "192.0.0.0/16", "192.0.2.0/24"} {
		if !match("192.0.2.7").Better(match(wider)) || !match("192.0.2.0/25").Better(match(wider)) {
			t.Error(wider)
		}
	}
}

func TestValuesOfMappingsAreChecked(t *testing.T) {
	for _, x := range []struct {
		p    Property
		text string
		ok   bool
	}{
		{CallingPI, "restricted", true}, {CallingPI, "interworking", true}, {CallingPI, "hidden", false}, {CallingPI, `\1`, true}, {CallingPI, "", true},
		{CallingSI, "network", true}, {CallingSI, "network-provided", true}, {CallingSI, "passed", false},
		{CallingIP, "192.0.2.7", true}, {CallingIP, "192.0.2.0/24", false}, {CallingIP, "pbx", false},
		{CalledE164, "0123456789012345678901234567890123456789012345678901234567890123", true},
		{CalledE164, "01234567890123456789012345678901234567890123456789012345678901234", false},
	} {
		if err := x.p.CheckValue(x.text); (err == nil) != x.ok {
			t.Errorf("%s %q: %v", x.p, x.text, err)
		}
	}
}

func TestInstants(t *testing.T) {
	now := time.Date(2026, 11, 29, 9, 15, 22, 0, time.UTC) // a sunday
	for _, x := range []struct {
		p           Property
		value, want string
	}{
		{TimeOfDay, "03:00", "2026-11-29 03:00:00"}, {TimeOfDay, "8:05:06", "2026-11-29 08:05:06"}, {Date, "24.12.2026", "2026-12-24 09:15:22"},
		{DayOfWeek, "tue", "2026-12-01 09:15:22"}, {DayOfWeek, "sunday", "2026-11-29 09:15:22"}, {DayOfWeek, "tuesday-fri", "2026-12-01 09:15:22"},
		{TimeOfDay, "25:00", ""}, {Date, "2026-12-24", ""}, {DayOfWeek, "di", ""},
	} {
		at, err := Instant(x.p, x.value, now)
		if got := at.Format(time.DateTime); (err == nil) != (x.want != "") || err == nil && got != x.want {
			t.Errorf("%s %s: %s %v, want %s", x.p, x.value, got, err, x.want)
		}
	}
}
