package checkup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/printable"
	"viaduct/appliance/status"
)

// What can be checked.
const (
	teams = "teams"
	pbx   = "pbx"
	all   = "all"
)

// step is the declaration of one step.
type step struct {
	id    string
	title string   // a noun; of is put behind it where there is a subject
	of    string   // the word before the subject: "with", "to"
	part  string   // teams, pbx, or all for both
	after []string // ids of steps before it: it is skipped when all that a dependency names have failed
	about string   // what it looks at, for the manual

	subjects func(s *survey, of string) []subject // nil: the box, once
	run      func(ctx context.Context, s *survey, x subject) finding
	advice   string // the cure in words, unless the finding has its own
}

// subject is what a step looks at.
type subject struct {
	name string
	side *side    // whose network it is; nil: the box
	peer *peer    // nil: none in particular
	free []string // steps that this subject does not depend on, although others do

	server int   // index of a name server
	owner  *peer // one of those that are told the name, or see the certificate
}

// finding is the outcome of a step.
type finding struct {
	state   status.CheckState
	seen    []string
	problem string
	advice  string
	cure    []string
	minor   bool // the last problem was less than the one that the finding has: its cure is not wanted
}

func ok(seen ...string) finding { return finding{seen: seen} }

func (f finding) saw(format string, args ...any) finding {
	f.seen = append(slices.Clip(f.seen), fmt.Sprintf(format, args...))
	return f
}

// fails makes a failure of a finding, and warns a warning; a failure stays one.
func (f finding) fails(format string, args ...any) finding {
	return f.is(status.CheckFailed, format, args...)
}
func (f finding) warns(format string, args ...any) finding {
	return f.is(status.CheckWarning, format, args...)
}

func (f finding) is(state status.CheckState, format string, args ...any) finding {
	text := fmt.Sprintf(format, args...)
	f.minor = f.problem != "" && state < f.state
	switch {
	case f.minor:
	case f.problem == "" || state > f.state:
		f.problem = text
		f.advice, f.cure = "", nil
	default:
		f.problem += "; " + text
	}
	f.state = max(f.state, state)
	return f
}

// by adds the cure in words, paste the one in lines.
func (f finding) by(format string, args ...any) finding {
	if f.minor {
		return f
	}
	f.advice = fmt.Sprintf(format, args...)
	return f
}

func (f finding) paste(lines ...string) finding {
	if f.minor {
		return f
	}
	f.cure = lines
	return f
}

// task is one step for one subject.
type task struct {
	*step
	subject
	before []*task
	done   chan struct{} // closed when result is there
	result status.CheckStep
	failed bool // or skipped: what depends on it is skipped
}

// plan lists the tasks of a check in their order.
func plan(s *survey, table []step, of string) (tasks []*task) {
	for n := range table {
		d := &table[n]
		if of != all && d.part != all && d.part != of {
			continue
		}
		subjects := []subject{{}}
		if d.subjects != nil {
			subjects = d.subjects(s, of)
		}
		for _, x := range subjects {
			t := &task{step: d, subject: x, done: make(chan struct{})}
			for _, p := range tasks {
				if slices.Contains(d.after, p.id) && !slices.Contains(x.free, p.id) && x.touches(p.subject) {
					t.before = append(t.before, p)
				}
			}
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// touches reports whether what became of another subject matters to this one.
func (x subject) touches(other subject) bool {
	switch {
	case x.peer != nil && other.peer != nil:
		return x.peer == other.peer
	case x.side != nil && other.side != nil:
		return x.side == other.side
	}
	return true
}

// run runs all tasks, and reports them in their order.
func (s *survey) run(ctx context.Context, tasks []*task, report func(status.CheckStep)) (list []status.CheckStep) {
	room := make(chan struct{}, atOnce)
	for _, t := range tasks {
		go func() {
			defer close(t.done)
			for _, p := range t.before {
				<-p.done
			}
			room <- struct{}{}
			defer func() { <-room }()
			t.result = t.outcome(ctx, s)
		}()
	}
	for _, t := range tasks {
		<-t.done
		list = append(list, t.result)
		report(t.result)
	}
	return list
}

// outcome runs a task, unless it has to be skipped.
func (t *task) outcome(ctx context.Context, s *survey) status.CheckStep {
	r := status.CheckStep{ID: t.id, Subject: printable.Text(t.subject.name), Title: t.name()}
	if p := t.hindered(); p != nil {
		t.failed = true
		r.State, r.Because = status.CheckSkipped, p.name()
		if p.result.State == status.CheckSkipped {
			r.Because = p.result.Because
		}
		return r
	}
	start := time.Now()
	f := t.run(ctx, s, t.subject)
	if ctx.Err() != nil {
		f = finding{}.fails("it was not finished within the time of a check")
	}
	t.failed = f.state == status.CheckFailed
	if t.peer != nil && t.peer.test {
		f.state = min(f.state, status.CheckWarning) // no call depends on Microsoft's test
	}
	r.State, r.Problem, r.Took = f.state, printable.Short(f.problem, longestText), time.Since(start)
	for _, line := range f.seen {
		r.Seen = append(r.Seen, printable.Text(line))
	}
	if f.state == status.CheckOK {
		return r
	}
	if r.Advice = f.advice; r.Advice == "" {
		r.Advice = t.advice
	}
	r.Advice = printable.Short(r.Advice, longestText)
	for _, line := range f.cure {
		// A line that would look other than it is cannot be pasted.
		if printable.Line(line) != line {
			r.Cure = nil
			break
		}
		r.Cure = append(r.Cure, line)
	}
	return r
}

const longestText = 1024 // characters

// name is the title with the subject.
func (t *task) name() string {
	if t.subject.name == "" {
		return t.title
	}
	return printable.Text(strings.Join(strings.Fields(t.title+" "+t.of), " ") + " " + t.subject.name)
}

// hindered returns a task that has to succeed before this one, and did not: of each step on which this one depends, one task is enough.
func (t *task) hindered() *task {
	for _, id := range t.after {
		var failed *task
		succeeded := false
		for _, p := range t.before {
			switch {
			case p.id != id, p.peer != nil && p.peer.test && p.peer != t.peer:
			case !p.failed:
				succeeded = true
			case failed == nil:
				failed = p
			}
		}
		if failed != nil && !succeeded {
			return failed
		}
	}
	return nil
}
