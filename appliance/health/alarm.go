package health

import (
	"fmt"
	"slices"
	"time"
)

// Alarm is a raised alarm, for display.
type Alarm struct {
	ID       string    `json:"id"`
	Severity Severity  `json:"severity"`
	Subject  string    `json:"subject,omitempty"` // the value of its Warnable's Subject
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	Advice   string    `json:"advice,omitempty"`
	Cure     []string  `json:"cure,omitempty"` // lines to paste
	Since    time.Time `json:"since"`          // by the present clock, even if the clock was wrong then
	Seen     string    `json:"seen,omitempty"` // the account that has acknowledged it
}

// Sentence is the text with the advice.
func (a Alarm) Sentence() string {
	if a.Advice == "" {
		return a.Text
	}
	return a.Text + ". " + a.Advice
}

// Current returns the raised alarms, worst first, and those that are acknowledged last.
func (t *Tracker) Current() []Alarm {
	shown, now := t.look()
	var list []Alarm
	for _, v := range shown {
		list = append(list, v.alarm(now))
	}
	return list
}

func (v view) alarm(now time.Time) Alarm {
	a := Alarm{ID: v.ID, Severity: v.Severity, Title: v.Title, Since: present(v.since, now), Seen: v.seen}
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

// Worst returns the severity of the worst raised alarm that nobody has acknowledged; false: there is none.
func (t *Tracker) Worst() (Severity, bool) {
	if list, _ := t.look(); len(list) > 0 && list[0].seen == "" {
		return list[0].Severity, true
	}
	return Info, false
}

// Active reports whether an alarm of this kind is active, visible or not.
func (t *Tracker) Active(w *Warnable) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.active[w] != nil
}

// Unfit says why no calls are possible. A critical alarm counts even while it is not visible: PID 1 must not confirm an image in that
// moment.
func (t *Tracker) Unfit() (why []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range declared {
		if k := t.active[w]; k != nil && w.Severity == Critical {
			for _, x := range k.list {
				why = append(why, x.args.fill(w.Text))
			}
		}
	}
	return why
}

// Counts returns the number of raised alarms of every kind, zero included.
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

// Count is the number of alarms of one kind.
type Count struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	N        int      `json:"n"`
}
