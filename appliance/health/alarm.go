package health

import (
	"fmt"
	"slices"
	"time"
)

// Alarm is one that stands, as everybody outside sees it.
type Alarm struct {
	ID       string    `json:"id"`
	Severity Severity  `json:"severity"`
	Subject  string    `json:"subject,omitempty"` // what it is about; "": the box, or there is one at most
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	Advice   string    `json:"advice,omitempty"`
	Cure     []string  `json:"cure,omitempty"` // lines to paste
	Since    time.Time `json:"since"`          // by the clock as it is now, even if it was wrong then
}

// Sentence is the text, with what to do about it.
func (a Alarm) Sentence() string {
	if a.Advice == "" {
		return a.Text
	}
	return a.Text + ". " + a.Advice
}

// Current returns the alarms that are raised, the worst first.
func (t *Tracker) Current() []Alarm {
	shown, now := t.look()
	var list []Alarm
	for _, v := range shown {
		list = append(list, v.alarm(now))
	}
	return list
}

func (v view) alarm(now time.Time) Alarm {
	a := Alarm{ID: v.ID, Severity: v.Severity, Title: v.Title, Since: now.Add(-now.Sub(v.since))}
	if v.more > 0 {
		a.Text = fmt.Sprintf("%d more: %s", v.more, v.Title)
		return a
	}
	a.Subject, a.Text, a.Advice = v.args[v.Subject], v.args.fill(v.Text), v.args.fill(v.Advice)
	for _, line := range v.Cure {
		a.Cure = append(a.Cure, v.args.fill(line))
	}
	return a
}

// Worst is the severity of the worst alarm that is raised, false when none is.
func (t *Tracker) Worst() (Severity, bool) {
	if list, _ := t.look(); len(list) > 0 {
		return list[0].Severity, true
	}
	return Info, false
}

// Stands reports whether an alarm of this kind stands, shown or not.
func (t *Tracker) Stands(w *Warnable) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.standing[w] != nil
}

// Unfit says why there can be no calls, nothing when there can. A critical alarm counts from its beginning, shown or not: an image on
// trial is not confirmed in the moment before it is shown.
func (t *Tracker) Unfit() (why []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range declared {
		if k := t.standing[w]; k != nil && w.Severity == Critical {
			for _, x := range k.list {
				why = append(why, x.args.fill(w.Text))
			}
		}
	}
	return why
}

// Counts is how many alarms of each kind are raised, of all kinds: the metrics say 0 of those that are not.
func (t *Tracker) Counts() []Count {
	list := make([]Count, len(declared))
	for n, w := range declared {
		list[n] = Count{ID: w.ID, Severity: w.Severity}
	}
	shown, _ := t.look()
	for _, v := range shown {
		list[slices.Index(declared, v.Warnable)].N += max(1, v.more)
	}
	return list
}

// Count is a number of alarms of one kind.
type Count struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	N        int      `json:"n"`
}
