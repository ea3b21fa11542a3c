package health

import (
	"fmt"
	"slices"
	"strings"

	"viaduct/appliance/plural"
)

// Manual is docs/alarms.md: all alarms of the table, worst first.
func Manual() string {
	var out strings.Builder
	out.WriteString(`# Alarms

<!-- Generated from the tables of appliance/health: make docs -->

All alarms of the box. The id is their name in logs and metrics (` + "`viaduct_alarm{id=\"...\"}`" + `). ` + "`show alarms`" + ` lists the present ones.

| severity | means | appears in |
|---|---|---|
| critical | no calls are possible; PID 1 confirms no image on trial | the LED, the greeting at login, and as below |
| error | something that is configured does not work, or the box itself fails | the LED, the greeting at login, and as below |
| warning | an administrator should look at it | ` + "`show config problems`" + `, and as below |
| info | worth knowing | ` + "`show alarms`" + `, the log, metrics, ` + "`/v1/status/alarms`" + ` |

The log has a line when an alarm is raised and a line when it is cleared, each with id, severity and subject. An alarm is hidden while another alarm that causes it is active.
`)
	list := slices.Clone(declared)
	slices.SortStableFunc(list, func(a, b *Warnable) int { return int(b.Severity - a.Severity) })
	for _, w := range list {
		fmt.Fprintf(&out, "\n## %s\n\n%s%s, %s.", w.ID, strings.ToUpper(w.Title[:1]), w.Title[1:], w.Severity)
		if w.Subject != "" && w.Subject != "why" {
			fmt.Fprintf(&out, " One for each %s.", w.subjectWord())
		}
		if w.Delay > 0 {
			fmt.Fprintf(&out, " Raised after %s.", plural.Of(int(w.Delay.Seconds()), "second"))
		}
		out.WriteString(w.causes())
		out.WriteByte('\n')
		if w.Text != "{why}" {
			fmt.Fprintf(&out, "\n> %s\n", w.Text)
		}
		if w.Advice != "" && !strings.HasPrefix(w.Advice, "{") {
			fmt.Fprintf(&out, "\n%s\n", w.Advice)
		}
		if len(w.Cure) > 0 {
			fmt.Fprintf(&out, "\n    %s\n", strings.Join(w.Cure, "\n    "))
		}
	}
	return out.String()
}

// subjectWord is the subject as a noun.
func (w *Warnable) subjectWord() string {
	if w.Subject == "sha" {
		return "certificate"
	}
	return w.Subject
}

// causes says what hides the alarm.
func (w *Warnable) causes() string {
	if len(w.After) == 0 {
		return ""
	}
	var list []string
	for _, c := range w.After {
		text := "`" + c.Of.ID + "`"
		if c.Same != "" {
			text += " of its " + c.Same
		}
		list = append(list, text)
	}
	return " Hidden by " + strings.Join(list, ", ") + "."
}
