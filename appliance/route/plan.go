package route

import (
	"slices"
	"time"

	"viaduct/appliance/config"
)

// Plan is what to do with a call: attempts in order, until one succeeds or fails with a cause that does not hunt.
type Plan struct {
	Attempts []Attempt
	Trace    []Step

	context string // the context cs that was walked
	root    *node
}

// Group says which hunt group: the same name may stand in several contexts cs.
type Group struct{ Context, Name string }

// Attempt is one outgoing call to be tried.
type Attempt struct {
	Interface config.InterfaceID
	Call      Call                 // properties after all functions
	Phones    *config.PhoneService // whose phones the interface is to call; nil: its peer, or all phones that are the called party there
	Timeout   time.Duration        // go on to the next when nothing at all was heard for so long (not even 100); 0: never
	Written   []config.Property    // properties that mappings wrote, the last one last

	groups []span // that it belongs to, outermost first
}

// span is a hunt group with the end of its attempts in the plan.
type span struct {
	hunt *config.HuntGroup
	end  int
}

// Called returns the property that stands for the called party in outgoing headers: of number and URI the one that a mapping wrote
// last, else the number, else the URI.
func (a *Attempt) Called() config.Property { return a.stands(config.CalledE164, config.CalledURI) }

// Calling is the same for the calling party.
func (a *Attempt) Calling() config.Property { return a.stands(config.CallingE164, config.CallingURI) }

func (a *Attempt) stands(number, uri config.Property) config.Property {
	for _, p := range slices.Backward(a.Written) {
		if (p == number || p == uri) && a.Call.Get(p) != "" {
			return p
		}
	}
	if a.Call.Get(number) == "" && a.Call.Get(uri) != "" {
		return uri
	}
	return number
}

// NoAnswer is the cause for Next when a destination was silent or could not be tried at all; it always goes on.
const NoAnswer = -1

func hunts(h *config.HuntGroup, cause int) bool {
	return cause == NoAnswer || slices.ContainsFunc(h.DropCauses, func(c config.Cause) bool { return c.Number() == cause && cause != 0 })
}

// Next returns the index of the attempt that follows attempt i, which failed with a Q.850 cause (or NoAnswer). It reports false
// when the call ends with that cause. With services inside services, the inner one decides first: when its attempts are used up, or
// the cause does not hunt there, its failure is a failure of the outer one's destination.
func (p *Plan) Next(i, cause int) (int, bool) {
	if i < 0 || i >= len(p.Attempts) {
		return 0, false
	}
	next := i + 1
	for _, g := range slices.Backward(p.Attempts[i].groups) {
		if hunts(g.hunt, cause) && next < g.end {
			return next, true
		}
		next = g.end
	}
	return 0, false
}

// Rotate turns cyclic hunt groups so that each call begins with another destination. Turn is asked once for each cyclic group of
// the plan how many calls the group has had.
func (p *Plan) Rotate(turn func(Group) int) {
	if p.root != nil && p.root.rotate(p.context, turn) {
		p.flatten()
	}
}

func (n *node) rotate(context string, turn func(Group) int) (changed bool) {
	if n.hunt != nil && n.hunt.Cyclic && len(n.children) > 1 {
		k := turn(Group{context, n.hunt.Name}) % len(n.children)
		if k < 0 {
			k += len(n.children)
		}
		n.children = slices.Concat(n.children[k:], n.children[:k])
		changed = true
	}
	for _, c := range n.children {
		changed = c.rotate(context, turn) || changed
	}
	return changed
}

// flatten lists the attempts of the tree.
func (p *Plan) flatten() {
	p.Attempts = p.root.appendTo(nil, nil)
	for i := range p.Attempts {
		p.Attempts[i].Timeout = timeout(p.Attempts[i].groups)
	}
}

func (n *node) appendTo(list []Attempt, groups []span) []Attempt {
	if n.attempt != nil {
		a := *n.attempt
		a.groups = groups
		return append(list, a)
	}
	groups = append(slices.Clip(groups), span{n.hunt, len(list) + n.size()})
	for _, c := range n.children {
		list = c.appendTo(list, groups)
	}
	return list
}

func (n *node) size() int {
	if n.attempt != nil {
		return 1
	}
	sum := 0
	for _, c := range n.children {
		sum += c.size()
	}
	return sum
}
