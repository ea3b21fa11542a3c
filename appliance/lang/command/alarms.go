package command

import (
	"cmp"
	"fmt"

	"viaduct/appliance/plural"
)

type alarmsArgs struct{ Alarms int }

func showAlarmHistory(c *Call, a *alarmsArgs) error {
	c.page().AlarmHistory(c.Box.AlarmHistory(cmp.Or(a.Alarms, 50)))
	return nil
}

type alarmArgs struct{ ID, Subject string }

func clearAlarm(c *Call, a *alarmArgs) error {
	n := c.Box.AcknowledgeAlarm(a.ID, a.Subject, cmp.Or(c.Session.User, "nobody"))
	if n == 0 {
		return fmt.Errorf("no such alarm is raised: %s; `show alarms` lists those that are", a.ID)
	}
	c.Printf("%s acknowledged\n", plural.Of(n, "alarm"))
	return nil
}
