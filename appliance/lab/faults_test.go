package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/appliance/api/wire"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// A fault is put into a world in which calls work. `check all` must name its cause as the first failed step, with a cure that makes calls work
// again, and `show alarms` must show it within alarmTime, and clear it within alarmTime after the cure.
type fault struct {
	name  string
	plant func(r *running)
	bites func(r *running) error // why no call works; nil: calls go on, as when one hub of three is down

	step    string   // the first failed step, and its subject
	problem string   // in its text
	alarm   string   // its id
	tells   []string // in the alarm's text and advice

	advice []string         // what the cure in words must name
	lines  bool             // the cure is pasted as it stands
	cure   func(r *running) // follows the cure in words
	after  func(r *running) // what the test itself has to clear up
}

// alarmTime is the longest that the box may take to raise or clear an alarm.
const alarmTime = 90 * time.Second

// TestFaults has one world for each group of faults, at the same time: they wait more than they work.
func TestFaults(t *testing.T) {
	t.Parallel() // beside other worlds that wait
	for name, list := range map[string][]fault{
		"names": nameFaults, "certificates": certificateFaults, "hubs": hubFaults, "network": networkFaults, "pbx": pbxFaults, "calls": callFaults, "clock": clockFaults,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunning(t)
			r.patience(10 * time.Minute)
			// OPTIONS come more often than in the reference configuration, so that the test does not wait for minutes.
			r.start(Setup{}, "interval 60 timeout 60", "interval 15 timeout 15")
			for _, f := range list {
				if !t.Run(f.name, func(t *testing.T) { r.suffer(t, f) }) {
					break // the world is not as the next fault wants it
				}
			}
		})
	}
}

// suffer goes through a fault.
func (r *running) suffer(t *testing.T, f fault) {
	world := r.t
	r.t = t
	defer func() { r.t = world }()
	r.eventually("calls work before", r.works)
	r.eventually("no alarm of it before", func() error { return r.raised(f.alarm, false) })
	r.suffering = true
	planted := time.Now()
	f.plant(r)
	if f.bites != nil {
		r.eventuallySince(planted, "no call works", func() error { return f.bites(r) })
	} else {
		r.eventuallySince(planted, "calls go on", r.works)
	}
	alarm := r.eventuallySince(planted, "the alarm "+f.alarm, func() error { return r.raised(f.alarm, true) })
	for _, word := range f.tells {
		if !strings.Contains(alarm, word) {
			t.Errorf("show alarms does not tell %q:\n%s", word, alarm)
		}
	}

	step, found := r.firstFailed()
	if !found {
		t.Fatalf("check all finds nothing wrong")
	}
	if got := strings.TrimSpace(step.ID + " " + step.Subject); got != f.step || !strings.Contains(step.Problem, f.problem) {
		t.Errorf("check all: %s: %s. Want %s: %s", got, step.Problem, f.step, f.problem)
	}
	for _, word := range f.advice {
		if !strings.Contains(step.Advice, word) {
			t.Errorf("the cure does not name %q: %s", word, step.Advice)
		}
	}

	cured := time.Now()
	if f.lines {
		if len(step.Cure) == 0 {
			t.Fatalf("there are no lines to paste: %+v", step)
		}
		if out, err := r.box.Paste(r.ctx, "enable\n"+strings.Join(step.Cure, "\n")+"\n"); err != nil {
			t.Fatalf("the cure: %v\n%s", err, out)
		}
	}
	if f.cure != nil {
		f.cure(r)
	}
	r.eventuallySince(cured, "calls work after the cure", r.works)
	r.eventuallySince(cured, "the alarm is cleared", func() error { return r.raised(f.alarm, false) })
	if step, found := r.firstFailed(); found {
		t.Errorf("check all still finds: %+v", step)
	}
	if f.after != nil {
		f.after(r)
	}
}

// eventually waits for something that is not the fault's own.
func (r *running) eventually(what string, holds func() error) {
	r.t.Helper()
	r.eventuallySince(time.Now(), what, holds)
}

// eventuallySince waits until something holds, alarmTime after a moment at most, and returns the present alarms.
func (r *running) eventuallySince(t time.Time, what string, holds func() error) string {
	r.t.Helper()
	for {
		err := holds()
		if err == nil {
			text, _ := r.box.Exec(r.ctx, "show alarms")
			return strings.Join(strings.Fields(text), " ")
		}
		if time.Since(t) > alarmTime {
			text, _ := r.box.Exec(r.ctx, "show alarms")
			r.t.Fatalf("%s: not within %v: %v\n%s", what, alarmTime, err, text)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.ctx.Done():
			r.t.Fatalf("%s: %v", what, err)
		}
	}
}

// status asks the box for a part of its state.
func (r *running) status(part string, to any) error {
	req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, "http://box"+wire.PathStatus+"/"+part, nil)
	if err != nil {
		return err
	}
	resp, err := r.box.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// raised wants that an alarm is there, or that none is.
func (r *running) raised(id string, want bool) error {
	var alarms []health.Alarm
	if err := r.status("alarms", &alarms); err != nil {
		return err
	}
	if slices.ContainsFunc(alarms, func(a health.Alarm) bool { return a.ID == id }) != want {
		return fmt.Errorf("alarm %s raised: %v", id, !want)
	}
	return nil
}

// firstFailed is the first failed step of `check all`.
func (r *running) firstFailed() (status.CheckStep, bool) {
	r.t.Helper()
	text, err := r.box.Exec(r.ctx, "check all json")
	var c status.Checkup
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	if err != nil || len(c.Steps) == 0 {
		r.t.Fatalf("check all: %v\n%s", err, text)
	}
	n := slices.IndexFunc(c.Steps, func(s status.CheckStep) bool { return s.State == status.CheckFailed })
	if n < 0 {
		return status.CheckStep{}, false
	}
	return c.Steps[n], true
}

// paste types lines of the configuration.
func (r *running) paste(lines ...string) {
	r.t.Helper()
	if out, err := r.box.Paste(r.ctx, "enable\n"+strings.Join(lines, "\n")+"\n"); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
}
