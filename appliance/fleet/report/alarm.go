package report

import (
	"strings"

	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
)

// What has happened to an alarm, in the words of fleet.Alarm.
const (
	raised  = "raised"
	changed = "changed"
	cleared = "cleared"
)

// shown is an alarm as the hub sees it: since when it is raised. The cure is the advice, and behind it the lines to paste.
func shown(a health.Alarm) fleet.Alarm {
	cure := a.Advice
	if len(a.Cure) > 0 {
		cure = strings.TrimSpace(cure + " `" + strings.Join(a.Cure, "`, `") + "`")
	}
	return fleet.Alarm{Time: a.Since, Alarm: a.ID, Subject: a.Subject, Severity: a.Severity.String(), What: raised, Text: a.Text, Cure: cure}
}

// key tells alarms apart.
type key struct{ alarm, subject string }

func keyOf(a fleet.Alarm) key { return key{a.Alarm, a.Subject} }
