package duty

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"viaduct/appliance/pair"
	"viaduct/appliance/pair/election"
	"viaduct/appliance/pair/link"
	"viaduct/appliance/pair/vrrp"
	"viaduct/appliance/status"
)

// ownTime is how long a box joins before it says that it copies nothing: it does not know at once whether both have the same.
const ownTime = 10 * time.Second

// seen is how a pair stands, at a time.
type seen struct {
	state    election.State
	why      string
	since    time.Time
	reign    uint64
	priority uint8
	contest  string // why the box goes on although the other one is active
	out      string // why the box stays out although the pair is complete

	other   pair.Word
	at      time.Time // of its word
	speaks  bool
	leads   bool
	ports   []vrrp.State
	heard   []time.Time
	hears   []bool
	link    link.State
	names   []string
	directs []bool
}

func (w *work) sees(now time.Time) *seen {
	s := &seen{ports: w.router.State(), link: w.d.link.State()}
	w.mu.Lock()
	defer w.mu.Unlock()
	s.state, s.why, s.since = w.e.State()
	s.reign, s.priority = w.e.Reign().Number, w.e.Priority()
	s.other, s.at, s.speaks = w.e.Other(now)
	s.leads = w.e.Leads(now)
	if err := w.copies(); w.e.Left() {
		s.out = "the other box has left the pair and kept the addresses"
	} else if err != nil && s.state == election.Joining && s.leads && s.speaks && now.Sub(s.since) > ownTime {
		s.out = err.Error()
	}
	for i, p := range w.l.ports {
		at, recent := w.e.Heard(now, i)
		s.heard, s.hears = append(s.heard, at), append(s.hears, recent)
		s.names, s.directs = append(s.names, p.Name), append(s.directs, p.direct)
	}
	if s.state == election.Active && s.leads {
		s.contest = "the other box is active too"
	}
	return s
}

func (s *seen) acts() bool { return s.state == election.Active || s.state == election.Switching }

// aloneWhy says why nobody could take over from the box; "": somebody could, or the box is not active.
func (s *seen) aloneWhy() string {
	switch {
	case !s.acts():
		return ""
	case !s.speaks && !s.link.Linked && s.link.Why != "":
		return s.link.Why
	case !s.speaks:
		return "nothing is heard of the other box on the direct path"
	case !s.other.Eligible:
		return "the other box does not have all calls and files yet"
	}
	for i, name := range s.names {
		if f, ok := s.fitness(name); ok && !s.directs[i] && f.Carrier {
			return ""
		}
	}
	return "none of the other box's ports has a carrier"
}

// fitness is how the other box stands at a port.
func (s *seen) fitness(name string) (pair.PortFitness, bool) {
	i := slices.IndexFunc(s.other.Ports, func(f pair.PortFitness) bool { return f.Name == name })
	if i < 0 {
		return pair.PortFitness{}, false
	}
	return s.other.Ports[i], true
}

// pathWhy says what is wrong with a port; "": nothing is.
func (s *seen) pathWhy(i int) string {
	p := s.ports[i]
	theirs, known := s.fitness(s.names[i])
	known = known && s.speaks
	switch {
	case !p.Open && p.Why != "":
		return p.Why
	case !p.Carrier:
		return "it has no carrier"
	case known && !theirs.Carrier:
		return "it has no carrier at the other box"
	case p.Crowded(time.Now()):
		return "far more VRRP comes in the name of the other box than it sends: another device forges it"
	case p.Witness == pair.WitnessSilent:
		return "nobody answers there"
	case known && theirs.Witness == pair.WitnessSilent:
		return "nobody answers the other box there"
	case s.state == election.Standby && s.leads && !s.hears[i]:
		return "the other box is not heard there"
	case s.acts() && known && s.other.Role == pair.Standby && !theirs.Hears && s.other.Eligible:
		return "the other box does not hear this one there"
	case s.directs[i] && s.acts() && !s.link.Linked && s.speaks:
		return s.link.Why
	}
	return ""
}

// differs says in what the boxes are not alike.
func (s *seen) differs(own Facts) (list []status.PairDifference) {
	if !s.speaks {
		return nil
	}
	if own.Release != "" && s.other.Release != "" && own.Release != s.other.Release {
		list = append(list, status.PairDifference{What: "firmware", Here: own.Release, There: s.other.Release})
	}
	if len(own.Sums) == 0 || len(s.other.Sums) == 0 {
		return list
	}
	all := maps.Clone(own.Sums)
	maps.Copy(all, s.other.Sums)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		if own.Sums[what] != s.other.Sums[what] {
			list = append(list, status.PairDifference{What: what, Here: own.Sums[what], There: s.other.Sums[what]})
		}
	}
	return list
}

// Status is how the box stands in its pair.
func (d *Duty) Status() status.Redundancy {
	d.mu.Lock()
	now, cfg, w := d.now, d.cfg, d.work
	r := status.Redundancy{Box: now.box, Why: now.why, Switches: slices.Clone(d.past)}
	if d.key != nil {
		r.Key = d.key.Hash()
	}
	d.mu.Unlock()
	if cfg != nil && cfg.Redundancy != nil {
		r.Router = cfg.Redundancy.Router
	}
	switch {
	case now.place == incomplete || now.place == out:
		r.State = status.PairUnready
	case now.place == paired:
		r.State = status.PairJoining
	}
	if w != nil {
		w.status(&r)
	}
	return r
}

func (w *work) status(r *status.Redundancy) {
	now := time.Now()
	s := w.sees(now)
	r.State, r.Why, r.Since, r.Reign, r.Priority = s.state.Shown(), s.why, s.since, s.reign, s.priority
	if s.out != "" {
		r.State, r.Why = status.PairUnready, s.out
	}
	for i, x := range w.l.ports {
		p := s.ports[i]
		port := status.PairPort{Name: x.Name, Device: x.Device, Direct: x.direct, Own: x.Own.String(), Others: x.others.String(), Held: p.Held,
			Carrier: p.Carrier, Witness: p.Witness.String(), Heard: s.heard[i], Foreign: p.Foreign}
		theirs, _ := s.fitness(x.Name)
		port.There, port.Why = s.speaks && theirs.Hears, s.pathWhy(i)
		for _, a := range x.Virtual {
			port.Virtual = append(port.Virtual, a.String())
		}
		if p.Asked.IsValid() {
			port.Asked = p.Asked.String()
		}
		r.Ports = append(r.Ports, port)
	}
	o := s.other
	r.Other = status.PairOther{Box: 3 - w.l.box, Serial: o.Serial, Release: o.Release, Eligible: s.speaks && o.Eligible, Priority: o.Priority, Calls: o.Calls,
		Heard: s.at, Linked: s.link.Linked, Why: s.link.Why}
	if !s.at.IsZero() {
		r.Other.Role = o.Role.String()
	}
	for _, at := range s.heard {
		if at.After(r.Other.Heard) {
			r.Other.Heard = at
		}
	}
	facts := w.clerk.facts()
	r.Replication = s.link.Replication
	if !s.acts() {
		r.Replication.Why = facts.Unready
	}
	r.Differences = s.differs(facts)
	slices.SortFunc(r.Differences, func(a, b status.PairDifference) int { return cmp.Compare(a.What, b.What) })
}
