package health

import (
	"time"

	"viaduct/appliance/printable"
)

// An administrator who knows of an alarm acknowledges it. It is not over for that: `show alarms`, metrics and the log have it as before, but it
// does not greet at login, light the LED, or stand among the problems of the configuration, until it is raised anew or becomes worse. No calls
// are possible while a critical one is active, so that it comes back after criticalRest.

const criticalRest = time.Hour

// acknowledgement says who has seen an alarm, and when.
type acknowledgement struct {
	by string
	at time.Time
}

// holds reports whether it is still in force.
func (a acknowledgement) holds(w *Warnable, now time.Time) bool {
	return a.by != "" && (w.Severity < Critical || now.Sub(a.at) < criticalRest)
}

// Acknowledge acknowledges the raised alarms of a kind, or the one of them with this subject, and returns how many those are.
func (t *Tracker) Acknowledge(id, subject, by string) (n int) {
	subject = printable.Short(subject, maxArg)
	t.change(func(now time.Time) {
		for w, k := range t.active {
			if w.ID != id {
				continue
			}
			for _, x := range k.list {
				if x.state == Raised && (subject == "" || x.subject == subject) {
					x.seen = acknowledgement{by: printable.Text(by), at: now}
					n++
				}
			}
		}
	})
	return n
}
