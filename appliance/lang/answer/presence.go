package answer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// presenceProblems limits how many users who are not matched are listed; `show presence USER` finds each.
const presenceProblems = 20

// Presence shows every presence-service, and its users.
func (pg Page) Presence(p status.Presence, now time.Time) {
	if len(p.Services) == 0 {
		pg.Printf("no presence-service: docs/presence.md shows how to begin\n")
	}
	for n, s := range p.Services {
		if n > 0 {
			pg.Printf("\n")
		}
		pg.presenceService(s, now)
		rows := [][]string{{"User", "Identity", "Ext.", "Teams", "Since", "PBX", "What is done"}}
		for _, u := range s.Users {
			rows = append(rows, []string{u.Name, u.Identity, dash(u.Extension), teamsState(u), sinceOf(u.Since, now), u.Line.String(), dash(strings.Join(inShort(u), ", "))})
		}
		if len(rows) > 1 {
			pg.Printf("\n")
			pg.Columns(rows)
		}
	}
}

// presenceService shows the service without its users.
func (pg Page) presenceService(s status.PresenceService, now time.Time) {
	pg.Printf("presence-service %s\n", s.Name)
	state := s.State.String()
	if !s.Since.IsZero() {
		state += " for " + span(now.Sub(s.Since))
	}
	pg.Printf("  State: %s\n", state)
	if s.Error != "" {
		pg.Folded("  Error: ", s.Error)
	}
	if s.Cure != "" {
		pg.Folded("  Cure: ", s.Cure)
	}
	if s.Held.After(now) {
		pg.Printf("  Microsoft wants to be left alone for %s\n", span(s.Held.Sub(now)))
	}
	pg.Printf("  Tenant: %s, cloud %s, application %s\n", dash(s.Tenant), s.Cloud, dash(s.Application))
	if s.State == status.PresenceShutdown {
		return
	}
	if s.Polled.IsZero() {
		pg.Printf("  Last answer: -, asked every %s\n", s.Interval.String())
	} else {
		pg.Printf("  Last answer: %s ago, in %d ms; asked every %s\n", span(now.Sub(s.Polled)), s.Latency.Milliseconds(), s.Interval.String())
	}
	if s.Read.IsZero() {
		pg.Printf("  Users: not read yet\n")
	} else {
		pg.Printf("  Users: %d of %d in the directory are ours, read %s ago\n", s.Matched, s.Directory, span(now.Sub(s.Read)))
	}
	if s.Left > 0 {
		pg.Printf("  Left out: %s, more than the box can look at\n", plural.Of(s.Left, "user"))
	}
	if s.ReadError != "" {
		pg.Folded("  Reading the directory failed: ", s.ReadError)
	}
	pg.presenceSink("Calls reported to Teams", s.Reports, now)
	pg.presenceSink("STARFACE", s.Starface, now)
	c := s.Counters
	pg.Folded("  Since the start: ", fmt.Sprintf("%s, %d failed, %d throttled; %s of state; %s reported",
		plural.Of(int(c.Polls), "poll"), c.Failed, c.Throttled, plural.Of(int(c.Changes), "change"), plural.Of(int(c.Reports), "call")))
	for n, x := range s.Problems {
		if n == presenceProblems {
			pg.Printf("  and %s\n", plural.Of(len(s.Problems)-n, "more problem"))
			break
		}
		pg.Folded("  Not matched: ", x.User+": "+x.Why)
	}
}

func (pg Page) presenceSink(name string, k status.PresenceSink, now time.Time) {
	if k.State == status.SinkOff {
		return
	}
	text := k.State.String()
	if !k.Since.IsZero() {
		text += " for " + span(now.Sub(k.Since))
	}
	if k.Error != "" {
		text += ": " + k.Error
	}
	pg.Folded("  "+name+": ", text)
}

// PresenceUser shows all that is known of a user.
func (pg Page) PresenceUser(s status.PresenceService, u status.PresenceUser, now time.Time) {
	pg.Printf("%s\n", u.Name)
	pg.Printf("  Service: presence-service %s, which is %s\n", s.Name, s.State.String())
	pg.Printf("  Identity: %s, extension %s, in the directory %s\n", u.Identity, dash(u.Extension), dash(u.ID))
	pg.Printf("  Teams: %s", teamsState(u))
	if u.Activity != "" {
		pg.Printf(" (%s)", u.Activity)
	}
	if !u.Since.IsZero() {
		pg.Printf(" for %s", span(now.Sub(u.Since)))
	}
	pg.Printf("\n")
	if !u.Heard.IsZero() {
		pg.Printf("  Told by Microsoft: %s ago\n", span(now.Sub(u.Heard)))
	}
	if u.Echo {
		pg.Folded("  ", "Microsoft tells what the box has reported: the state is that of before")
	}
	pg.Printf("  PBX: %s", lineState(u.Line))
	if !u.Busy.IsZero() {
		pg.Printf(" for %s", span(now.Sub(u.Busy)))
	}
	pg.Printf("\n")
	pg.Folded("  What is done: ", dash(strings.Join(done(u), ", ")))
	if u.Until.After(now) {
		pg.Printf("  Teams shows the call for %s at most, unless it is renewed\n", span(u.Until.Sub(now)))
	}
	if u.Before != "" {
		pg.Printf("  Restored after the call: %s\n", u.Before)
	}
	if u.Error != "" {
		pg.Folded("  Last error: ", u.Error)
	}
}

// teamsState is the state of a user, as `map-status` calls it.
func teamsState(u status.PresenceUser) string {
	if u.State == "" {
		return "unknown"
	}
	return u.State
}

func sinceOf(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return span(now.Sub(t))
}

// lineState says what is known of the calls of an extension.
func lineState(l status.PresenceLine) string {
	switch l {
	case status.LineCarried:
		return "busy with a call through this box"
	case status.LineEcho:
		return "busy because this box has published so"
	}
	return l.String()
}

// done is what follows from a user's states, at both ends.
func done(u status.PresenceUser) (list []string) {
	if u.Refuse != 0 {
		list = append(list, "calls refused with "+strconv.Itoa(u.Refuse))
	}
	if u.Published {
		list = append(list, "published as busy")
	}
	if u.Starface {
		list = append(list, "do not disturb at the STARFACE")
	}
	switch u.Session {
	case status.SessionSetting:
		list = append(list, "call being reported")
	case status.SessionSet, status.SessionRenewing:
		list = append(list, "call reported")
	case status.SessionClearing:
		list = append(list, "end of call being reported")
	}
	return list
}

// inShort is the same in the words of the configuration.
func inShort(u status.PresenceUser) (list []string) {
	if u.Refuse != 0 {
		list = append(list, "refuse "+strconv.Itoa(u.Refuse))
	}
	if u.Published {
		list = append(list, "publish")
	}
	if u.Starface {
		list = append(list, "starface-dnd")
	}
	if w := sessionWords[u.Session]; w != "" {
		list = append(list, w)
	}
	return list
}

var sessionWords = map[status.PresenceSession]string{
	status.SessionSetting: "reporting", status.SessionSet: "reported", status.SessionRenewing: "reported", status.SessionClearing: "clearing",
}

var freeOrBusy = map[bool]string{true: "busy", false: "free"}

// messagesOf says which messages wait.
func messagesOf(waiting bool, voice int) string {
	switch {
	case waiting && voice > 0:
		return strconv.Itoa(voice) + " new"
	case waiting:
		return "new"
	}
	return "none"
}

// eventOf is an event in few letters.
func eventOf(event string) string {
	if event == "message-summary" {
		return "messages"
	}
	return event
}

// Events shows the subscriptions at the PBX, what is published there, who has subscribed here, and what a PBX publishes here.
func (pg Page) Events(e status.Events, now time.Time) {
	if len(e.Subscriptions) == 0 {
		pg.Folded("", "no subscriptions: no identity with a registrar has `presence subscribe dialog`, and no phone is told of its messages")
	}
	rows := [][]string{{"Identity", "Subscription to", "Event", "State", "Since", "Told"}}
	for _, x := range e.Subscriptions {
		told := "free"
		switch {
		case x.Heard.IsZero() || x.State != status.SubscriptionActive && !x.Waiting:
			told = "-"
		case x.Event == "message-summary":
			told = messagesOf(x.Waiting, x.New)
		case x.Busy && x.Calls > 1:
			told = plural.Of(x.Calls, "call")
		case x.Busy:
			told = "busy"
		}
		rows = append(rows, []string{x.Identity, x.Resource, eventOf(x.Event), x.State.String(), sinceOf(x.Since, now), told})
		if x.Error != "" {
			rows = append(rows, []string{"  " + x.Error})
		}
	}
	if len(rows) > 1 {
		pg.Columns(rows)
	}
	rows = [][]string{{"Service", "Published at", "Event", "State", "Since", "Users", "Busy"}}
	for _, x := range e.Publications {
		rows = append(rows, []string{x.Service, x.Interface, x.Event, x.State.String(), sinceOf(x.Since, now), strconv.Itoa(x.Users), strconv.Itoa(x.Busy)})
		if x.Error != "" {
			rows = append(rows, []string{"  " + x.Error})
		}
	}
	if len(rows) > 1 {
		pg.Printf("\n")
		pg.Columns(rows)
	}
	rows = [][]string{{"Watched by", "Peer", "User", "Event", "Told", "Since", "Until"}}
	for _, x := range e.Watchers {
		told := freeOrBusy[x.Busy]
		switch {
		case x.Event == "message-summary":
			told = messagesOf(x.Waiting, 0)
		case x.Ringing && !x.Busy:
			told = "rings"
		}
		rows = append(rows, []string{x.Interface, x.Peer, x.User, eventOf(x.Event), told, sinceOf(x.Since, now), "in " + span(x.Expires.Sub(now))})
	}
	if len(rows) > 1 {
		pg.Printf("\n")
		pg.Columns(rows)
	}
	rows = [][]string{{"Told by", "User", "Identity", "State", "Since", "Until"}}
	for _, x := range e.Lines {
		rows = append(rows, []string{x.Interface, x.User, dash(x.Identity), freeOrBusy[x.Busy], sinceOf(x.Since, now), "in " + span(x.Expires.Sub(now))})
	}
	if len(rows) > 1 {
		pg.Printf("\n")
		pg.Columns(rows)
	}
}
