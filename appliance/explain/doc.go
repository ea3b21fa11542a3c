// Package explain tells in sentences what became of a call, from its record: who called whom, which tables sent it where, what each
// destination said, who ended it and why, what the voice was like, and what to do.
//
// It owns the words for SIP codes, Q.850 causes and Microsoft's codes, each with what to do about it. It is pure: no clock, no
// configuration. All text of peers that it passes on comes from a record, where it is printable.
package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Line is one statement, below a heading of the explanation.
type Line struct{ Head, Text string }

// The headings, in the order in which they come.
const (
	Call    = "Call"
	Way     = "Way"
	Tried   = "Tried"
	End     = "End"
	Changes = "Changes"
	Voice   = "Voice"
	Do      = "To do"
)

// Record explains a call. Now is for one in progress.
func Record(r status.Record, zone *time.Location, now time.Time) []Line {
	x := &explanation{r: r, zone: zone, now: now}
	x.call()
	x.way()
	x.tried()
	x.end()
	x.changes()
	x.voice()
	return append(x.lines, x.cures...)
}

// explanation is one that is being written.
type explanation struct {
	r            status.Record
	zone         *time.Location
	now          time.Time
	lines, cures []Line
}

func (x *explanation) say(head, format string, a ...any) {
	x.lines = append(x.lines, Line{head, sentence(fmt.Sprintf(format, a...))})
}

// sentence begins with a capital letter, unless it begins with a name, and ends with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text != "" && !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, `."`) {
		text += "."
	}
	return text
}

// cure adds something to do, once.
func (x *explanation) cure(text string) {
	if l := (Line{Do, text}); text != "" && !slices.Contains(x.cures, l) {
		x.cures = append(x.cures, l)
	}
}

// Brief is the result of a call in a few words.
func Brief(r status.Record) string {
	switch {
	case r.Ended.IsZero():
		return "in progress"
	case !r.Connected.IsZero() && r.OneWay() != "":
		return "one-way voice"
	case !r.Connected.IsZero():
		return connected(r)
	case r.By == status.ByCaller && elsewhere(r.Reason):
		return "answered elsewhere"
	case r.By == status.ByCaller:
		return "cancelled"
	}
	return meaningOf(r).brief
}

// connected is the result of a call that was answered.
func connected(r status.Record) string {
	switch r.By {
	case status.ByMedia:
		return "lost: no voice"
	case status.ByAdministrator:
		return "cleared"
	case status.ByBox:
		return "lost"
	}
	return "answered"
}

// Failed reports whether a call did not come about, or broke: not one that was answered and ended by a user, nor one that was given up.
func Failed(r status.Record) bool {
	if r.Ended.IsZero() {
		return false
	}
	if !r.Connected.IsZero() {
		return r.By == status.ByBox || r.By == status.ByMedia || r.OneWay() != ""
	}
	return r.By != status.ByCaller && r.By != status.ByTransfer && !meaningOf(r).user
}

func (x *explanation) call() {
	r := &x.r
	x.say(Call, "%s called %s through %s on %s", caller(r), known(r.Called, "no number"), interfaceAt(r.From, r.Peer), r.Started.In(x.zone).Format("2 January 2006 at 15:04:05 MST"))
	if r.Survival != "" {
		x.say(Call, "A peer was gone at that time: the call went by the routes of survival %s", r.Survival)
	}
	switch l := r.Licenses; {
	case !r.Emergency:
	case l.SessionsTotal > 0 && l.Sessions >= l.SessionsTotal:
		x.say(Call, "An emergency call: it was carried although all %s were in use", plural.Of(l.SessionsTotal, "license"))
	default:
		x.say(Call, "An emergency call: it goes before licenses and limits, and every destination is tried")
	}
}

// caller names who called.
func caller(r *status.Record) string {
	who := known(r.Calling, "A caller without a number")
	if n := r.Asked.CallingName; n != "" && n != r.Calling {
		who += fmt.Sprintf(" (%s)", n)
	}
	if r.Phone != "" {
		who += " from phone " + r.Phone
	}
	if r.Asked.CallingPI == "restricted" {
		who += ", who hides the number,"
	}
	return who
}

func known(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// interfaceAt names an interface with the address beyond it.
func interfaceAt(name, peer string) string {
	if peer == "" {
		return name
	}
	address, transport, _ := strings.Cut(peer, "/")
	return fmt.Sprintf("%s (%s, %s)", name, address, strings.ToUpper(transport))
}

func (x *explanation) changes() {
	r := &x.r
	var words []string
	for _, c := range []struct {
		n    int
		noun string
	}{{r.Transfers, "transfer"}, {r.Holds, "hold"}, {r.Rekeys, "renewal of the SRTP keys"}} {
		switch {
		case c.n == 1:
			words = append(words, "one "+c.noun)
		case c.n > 1 && c.noun == "renewal of the SRTP keys":
			words = append(words, fmt.Sprintf("%d renewals of the SRTP keys", c.n))
		case c.n > 1:
			words = append(words, plural.Of(c.n, c.noun))
		}
	}
	if len(words) > 0 {
		x.say(Changes, "During the call: %s", strings.Join(words, ", "))
	}
}

// span is a duration in words.
func span(d time.Duration) string {
	switch d = d.Round(100 * time.Millisecond); {
	case d == 0:
		return "no time"
	case d < 10*time.Second:
		return amount(strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0"), "second")
	case d < 2*time.Minute:
		return plural.Of(int(d.Seconds()), "second")
	case d < 2*time.Hour:
		return join(int(d.Minutes()), "minute", int(d.Seconds())%60, "second")
	}
	return join(int(d.Hours()), "hour", int(d.Minutes())%60, "minute")
}

func amount(n, noun string) string {
	if n == "1" {
		return n + " " + noun
	}
	return n + " " + noun + "s"
}

// join names two units, or one where the smaller has nothing.
func join(n int, unit string, m int, smaller string) string {
	if m == 0 {
		return plural.Of(n, unit)
	}
	return plural.Of(n, unit) + " " + plural.Of(m, smaller)
}

// after says when something happened.
func after(d time.Duration) string {
	if d < 50*time.Millisecond {
		return "at once"
	}
	return "after " + span(d)
}
