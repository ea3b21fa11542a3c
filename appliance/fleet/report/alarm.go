package report

import (
	"encoding/json"
	"strings"

	"viaduct/appliance/fleet"
	"viaduct/appliance/health"
	"viaduct/appliance/printable"
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

// body is an alarm as it is sent. One that is too long loses its cure, then the end of its text.
func body(a fleet.Alarm) ([]byte, error) {
	for {
		text, err := json.Marshal(a)
		if err != nil || len(text) <= fleet.MaxAlarm || a.Text == "" {
			return text, err
		}
		if a.Cure == "" {
			a.Text = printable.Short(a.Text, len(a.Text)/8)
		}
		a.Cure = ""
	}
}
