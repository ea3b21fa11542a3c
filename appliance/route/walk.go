package route

import (
	"fmt"
	"slices"
	"time"

	"viaduct/appliance/config"
)

// Bounds of one walk. Configurations that people write stay far below; groups of groups of groups may not.
const (
	maxSteps    = 1000
	maxAttempts = 64
	maxDepth    = 64
	// maxWork is how many characters may be compared with regular expressions, each counted once for each of them: some seconds of work,
	// when people's largest tables need some hundredths of one.
	maxWork = 16 << 20
)

// walk follows one call through the tables.
type walk struct {
	within   *config.Switch // names mean its objects
	trace    []Step
	attempts int
	work     int      // done of maxWork
	path     []visit  // tables and services that the present branch has entered
	running  []string // complex functions that are being run
}

// visit is a table or service with what the call was on entering it. Entering it again in the same state never ends; in another
// state it may be meant: a table that strips a prefix and looks again.
type visit struct {
	dest config.Dest
	call Call
}

// node is what a destination came to: an attempt, or a group of nodes that are tried in turn.
type node struct {
	attempt  *Attempt
	hunt     *config.HuntGroup
	children []*node
}

func newWalk(within *config.Switch) *walk { return &walk{within: within, trace: make([]Step, 0, 16)} }

// step adds to the trace; a trace that would grow without bound stops growing.
func (w *walk) step(s Step) {
	if len(w.trace) < maxSteps {
		w.trace = append(w.trace, s)
	}
}

// reject ends a branch, with a line in the trace.
func (w *walk) reject(table string, cause int, format string, args ...any) error {
	e := &Error{Cause: cause, Text: table + ": " + fmt.Sprintf(format, args...)}
	w.step(Step{Table: table, Action: ActionReject, After: e.Text[len(table)+2:]})
	return e
}

// dest follows a call to a destination. From names the place that led here.
func (w *walk) dest(d config.Dest, p *party, from string) (*node, error) {
	v := visit{d, p.Call}
	if slices.Contains(w.path, v) {
		return nil, w.reject(from, loop, "%s again: the call would go round for ever", destName(d))
	}
	if len(w.path) >= maxDepth || len(w.trace) >= maxSteps {
		return nil, w.reject(from, loop, "gave up after %d tables", len(w.path))
	}
	w.path = append(w.path, v)
	defer func() { w.path = w.path[:len(w.path)-1] }()

	switch {
	case !d.Table.IsZero():
		if t := d.Table.In(w.within); t != nil {
			return w.table(t, p)
		}
		return nil, w.reject(from, noRoute, "routing-table %q does not exist", d.Table.Name)
	case !d.Service.IsZero():
		switch h, phones := d.Service.In(w.within); {
		case h != nil:
			return w.group(h, p)
		case phones != nil:
			return w.phones(phones, p)
		}
		return nil, w.reject(from, noRoute, "service %q does not exist", d.Service.Name)
	case !d.Interface.IsZero():
		if i := d.Interface.In(w.within); i != nil {
			return w.attempt(i, p)
		}
		return nil, w.reject(from, noRoute, "interface sip %q does not exist", d.Interface.Name)
	}
	return nil, w.reject(from, noRoute, "no destination")
}

// table chooses a routing table's entry, runs its function and goes on.
func (w *walk) table(t *config.RoutingTable, p *party) (*node, error) {
	name := "routing-table " + t.Name
	key := t.Key
	if pair, ok := both[key]; ok {
		key = pair[0]
	}
	if !w.spend(len(p.Get(key)) * routes.expressions(t, t.Routes)) {
		return nil, w.tooMuch(name)
	}
	r, entry := choose(t, key, &p.Call)
	before := string(key) + " " + show(p.Get(key))
	if r == nil {
		w.step(Step{Table: name, Before: before, Action: ActionReject, After: "no key matches and there is no default"})
		return nil, &Error{Cause: noRoute, Text: fmt.Sprintf("%s: no key matches %s and there is no default", name, before)}
	}
	w.step(Step{Table: name, Entry: entry, Action: ActionGo, Before: before, After: destName(r.Dest)})
	if !r.Function.IsZero() {
		if err := w.function(name, entry, r.Function.Name, p); err != nil {
			return nil, err
		}
	}
	return w.dest(r.Dest, p, name)
}

// choose returns the best route for a call, or the default when no key matches.
func choose(t *config.RoutingTable, key config.Property, c *Call) (*config.Route, string) {
	var i int
	var found bool
	if key.IsClock() {
		i, found = chooseTime(t.Routes, key, c.Time)
	} else {
		i, _, found = routes.find(t, t.Routes, c.Get(key), key.IsNumber())
	}
	if found {
		return &t.Routes[i], "route " + t.Routes[i].Key.String()
	}
	for i := range t.Routes {
		if t.Routes[i].Default {
			return &t.Routes[i], "route default"
		}
	}
	return nil, ""
}

// chooseTime returns the route whose period holds the time; of several the shortest, then the first line.
func chooseTime(list []config.Route, p config.Property, now time.Time) (best int, found bool) {
	shortest := 0
	for i := range list {
		if list[i].Default {
			continue
		}
		period, err := config.ParsePeriod(p, list[i].Key.String())
		if err == nil && period.Holds(now) && (!found || period.Length() < shortest) {
			best, shortest, found = i, period.Length(), true
		}
	}
	return best, found
}

// function runs a mapping table or a complex function on the call.
func (w *walk) function(table, entry, name string, p *party) error {
	m, f := config.FunctionRef{Name: name}.In(w.within)
	switch {
	case m != nil:
		return w.mapping(m, p)
	case f == nil:
		return w.reject(table, noRoute, "function %q does not exist", name)
	case slices.Contains(w.running, name) || len(w.running) >= maxDepth:
		return w.reject(table, loop, "complex-function %s runs itself", name)
	}
	w.step(Step{Table: table, Entry: entry, Action: ActionRun, After: "complex-function " + name})
	w.running = append(w.running, name)
	defer func() { w.running = w.running[:len(w.running)-1] }()
	for _, s := range ordered(f.Steps, func(s config.Step) int { return s.Index }) {
		if len(w.trace) >= maxSteps {
			return w.reject(table, loop, "gave up after %d steps", maxSteps)
		}
		if err := w.function("complex-function "+name, fmt.Sprint("execute ", s.Index), s.Run.Name, p); err != nil {
			return err
		}
	}
	return nil
}

// mapping applies a mapping table: the best matching entry's value replaces the whole property; without one it stays.
func (w *walk) mapping(t *config.MappingTable, p *party) error {
	name := "mapping-table " + t.Name
	list, n := pairs(t)
	for _, pair := range list[:n] {
		in, out := pair[0], pair[1]
		s := Step{Table: name, Before: string(in) + " " + show(p.Get(in))}
		if !w.spend(len(p.Get(in)) * mappings.expressions(t, t.Maps)) {
			return w.tooMuch(name)
		}
		e, m, ok := lookUp(t, in, &p.Call)
		if !ok {
			s.Action = ActionNone
			w.step(s)
			continue
		}
		s.Entry = "map " + entryKey(e) + " to " + e.To
		v, fits := m.Expand(e.To, config.MaxURI)
		if out.IsNumber() {
			v = cutNumber(v)
		}
		switch {
		case isName(out) && (!fits || len(v) > out.MaxLength()):
			s.Action, s.After = ActionKept, fmt.Sprintf("%s would be longer than %d characters", out, out.MaxLength())
		case !fits || len(v) > out.MaxLength():
			// Cut, it would be somebody else's number.
			return w.reject(name, badNumber, "%s makes %s longer than %d characters", s.Entry, out, out.MaxLength())
		case v == "" && (out == config.CalledE164 || out == config.CalledURI):
			s.Action, s.After = ActionKept, string(out)+" is never made empty"
		case p.field(out) == nil:
			s.Action, s.After = ActionKept, string(out)+" cannot be written"
		default:
			s.Action, s.After = ActionSet, string(out)+" "+show(p.set(out, v))
		}
		w.step(s)
	}
	return nil
}

// spend takes from what a walk may cost, and reports whether there was enough.
func (w *walk) spend(work int) bool {
	w.work += work
	return w.work <= maxWork
}

func (w *walk) tooMuch(table string) error {
	return w.reject(table, loop, "gave up, the tables of this call have too many regular expressions")
}

// lookUp returns the best entry of a mapping table for a call, or its default when no key matches.
func lookUp(t *config.MappingTable, in config.Property, c *Call) (*config.Mapping, config.Match, bool) {
	if i, m, ok := mappings.find(t, t.Maps, c.Get(in), in.IsNumber()); ok {
		return &t.Maps[i], m, true
	}
	for i := range t.Maps {
		if t.Maps[i].Default {
			m, _ := everything.Match(c.Get(in))
			return &t.Maps[i], m, true
		}
	}
	return nil, config.Match{}, false
}

// everything is the key for which default stands: \0 is the whole value.
var everything, _ = config.ParsePattern(".*")

func entryKey(e *config.Mapping) string {
	if e.Default {
		return "default"
	}
	return e.Key.String()
}

// group follows a call into all destinations of a hunt group. A destination that leads nowhere is left out.
func (w *walk) group(h *config.HuntGroup, p *party) (*node, error) {
	name := "service " + h.Name
	n := &node{hunt: h}
	var first error
	for _, r := range ordered(h.Routes, func(r config.HuntRoute) int { return r.Index }) {
		w.step(Step{Table: name, Entry: fmt.Sprint("route call ", r.Index), Action: ActionGo, After: destName(r.Dest)})
		branch := party{p.Call, p.written}
		child, err := w.dest(r.Dest, &branch, name)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		n.children = append(n.children, child)
	}
	switch {
	case len(n.children) > 0:
		return n, nil
	case first != nil:
		return nil, first
	}
	return nil, w.reject(name, noRoute, "has no `route call`")
}

// phones follows a call to the phones of a location service: to each interface whose peers they are. A call goes on to the next of these
// where none of its phones is the called party, or none of them has registered.
func (w *walk) phones(s *config.PhoneService, p *party) (*node, error) {
	name := "service " + s.Name
	n := &node{hunt: &config.HuntGroup{Name: s.Name}}
	var first error
	for _, i := range w.within.Interfaces {
		if s.Location.IsZero() || i.Phones != s.Location {
			continue
		}
		w.step(Step{Table: name, Entry: "bind location-service " + s.Location.Name, Action: ActionGo, After: destName(config.Dest{Interface: config.Ref[config.Switch, config.SIPInterface]{Name: i.Name}})})
		branch := party{p.Call, p.written}
		child, err := w.attempt(i, &branch)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		child.attempt.Phones = s
		n.children = append(n.children, child)
	}
	switch {
	case len(n.children) == 1:
		return n.children[0], nil
	case len(n.children) > 0:
		return n, nil
	case first != nil:
		return nil, first
	case s.Location.IsZero():
		return nil, w.reject(name, noRoute, "has no `bind location-service`")
	}
	return nil, w.reject(name, noRoute, "no interface sip has `use location-service %s`", s.Location.Name)
}

// attempt ends at an interface.
func (w *walk) attempt(i *config.SIPInterface, p *party) (*node, error) {
	name := "interface " + i.Name
	if w.attempts++; w.attempts > maxAttempts {
		return nil, w.reject(name, noRoute, "more than %d attempts for one call", maxAttempts)
	}
	if !i.MappingOut.IsZero() {
		if err := w.function(name, "use mapping-table out "+i.MappingOut.Name, i.MappingOut.Name, p); err != nil {
			return nil, err
		}
	}
	a := &Attempt{Interface: i.ID(), Call: p.Call, Written: p.written}
	called, calling := a.Called(), a.Calling()
	caller := ", no caller"
	if v := p.Get(calling); v != "" {
		caller = " for " + string(calling) + " " + show(v)
	}
	w.step(Step{Table: name, Action: ActionCall, After: string(called) + " " + show(p.Get(called)) + caller})
	return &node{attempt: a}, nil
}

// plan closes the walk.
func (w *walk) plan(n *node, err error) (*Plan, error) {
	p := &Plan{Trace: w.trace}
	if err != nil {
		if len(p.Trace) == 0 || p.Trace[len(p.Trace)-1].Action != ActionReject {
			p.Trace = append(p.Trace, Step{Table: "call", Action: ActionReject, After: err.Error()})
		}
		return p, err
	}
	p.context, p.root = w.within.Name, n
	p.flatten()
	return p, nil
}

// ordered returns list in the order of its indexes, which is nearly always the order it has.
func ordered[T any](list []T, index func(T) int) []T {
	less := func(a, b T) int { return index(a) - index(b) }
	if slices.IsSortedFunc(list, less) {
		return list
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, less)
	return list
}

// show quotes a value so that blanks and emptiness are seen.
func show(v string) string { return `"` + v + `"` }

// timeout is how long an attempt inside these groups (outermost first) may be silent: the innermost group that says so decides.
func timeout(groups []span) time.Duration {
	for _, g := range slices.Backward(groups) {
		if g.hunt.Timeout > 0 {
			return g.hunt.Timeout
		}
	}
	return 0
}
