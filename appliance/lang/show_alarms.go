package lang

import "time"

// showAlarms lists what is wrong now, each with what to do about it.
func showAlarms(c *call, _ *none) error {
	rows := [][]string{{"Severity", "Since", "Alarm"}}
	zone := c.box.Running().Clock.Location()
	for _, a := range c.box.Alarms() {
		rows = append(rows, []string{a.Severity.String(), a.Since.In(zone).Format(time.DateTime), a.ID}, []string{"    " + a.Text})
		if a.Advice != "" {
			rows = append(rows, []string{"    " + a.Advice})
		}
		for _, line := range a.Cure {
			rows = append(rows, []string{"        " + line})
		}
	}
	if len(rows) == 1 {
		c.printf("No alarms.\n")
		return nil
	}
	c.page().Columns(rows)
	return nil
}
