package duty

import (
	"net/netip"
	"reflect"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/pair/link"
)

// Apply has the box follow a configuration. When it returns, Acts and Place are right, and a router that is not wanted any more is gone: whoever configures
// addresses does so after it. It waits a second at most.
func (d *Duty) Apply(cfg *config.Config) {
	d.applying.Lock()
	defer d.applying.Unlock()
	before := d.standing()
	next, settings := d.judge(cfg)
	if before.told && before == next && next.place == paired && d.same(cfg) {
		d.mu.Lock()
		d.cfg = cfg
		d.mu.Unlock()
		return
	}
	acted, had := d.acts.Load(), d.had(cfg, next)
	d.stop(ending(before, next))
	d.mu.Lock()
	d.cfg, d.now = cfg, next
	d.mu.Unlock()
	acts := true
	switch {
	case next.place == alone:
		d.keep.forget()
	case next.place == out:
		acts = false
	case next.place == incomplete && before.told:
		acts = acted // a standby does not get the addresses by a line that is missing
	case next.place == incomplete:
		is := d.keep.read()
		acts = is.Acts || !is.Knows
	case next.place == shut && !before.told:
		acts = d.keep.read().Acts || !cfg.Redundancy.Complete()
	case next.place == shut:
		acts = acted
		d.keep.acts(acts)
	case next.place == paired:
		// A box without calls may be a new one beside one that has some.
		acts = before.told && acted && (before.place == paired || had && d.o.Facts().Calls > 0)
	}
	if d.acts.Store(acts); before.told && before.place != paired && acted && !acts {
		d.o.Term.End()
		d.o.Box.Drop("the box is one of a pair now, and looks for the other one first")
	}
	if next.place == paired {
		d.link.Apply(settings)
		d.start(acts)
	} else {
		d.link.Apply(link.Settings{})
		if acts {
			d.o.Term.Free()
		} else {
			d.o.Term.End()
		}
	}
	if next.place == incomplete || next.place == out {
		d.o.Health.Set(health.RedundancyUnready, health.Args{"why": next.why})
	} else {
		d.o.Health.Clear(health.RedundancyUnready, "")
	}
	if d.o.Changed != nil && (acts != acted || before.place != next.place || before.box != next.box) {
		d.o.Changed()
	}
}

// had reports whether the box has had addresses of the pair until now. One that has not begins as any other one that joins, so that it takes them from
// nobody.
func (d *Duty) had(cfg *config.Config, next standing) bool {
	d.mu.Lock()
	before := d.cfg
	d.mu.Unlock()
	if before == nil || next.place != paired {
		return false
	}
	had := map[netip.Addr]bool{}
	for _, ip := range before.IP {
		for _, i := range ip.Interfaces {
			for _, a := range i.Addresses {
				had[a.Prefix.Addr()] = true
			}
		}
	}
	for _, p := range d.layout(cfg, next.box).ports {
		for _, a := range p.Virtual {
			if had[a] {
				return true
			}
		}
	}
	return false
}

// judge says how the box stands in a configuration.
func (d *Duty) judge(cfg *config.Config) (standing, link.Settings) {
	s := standing{told: true}
	r := cfg.Redundancy
	if r == nil {
		return s, link.Settings{}
	}
	key, err := d.ensureKey()
	if err == nil {
		s.box = r.Box(key.Hash())
	}
	switch {
	case !r.Enabled:
		s.place = shut
	case !r.Complete():
		s.place, s.why = incomplete, "the lines of `redundancy` are not complete"
	case err != nil:
		s.place, s.why = out, err.Error()
	case s.box == 0:
		s.place, s.why = out, "its key is in neither line `box`"
	default:
		s.place = paired
		return s, link.SettingsOf(cfg, key)
	}
	return s, link.Settings{}
}

// same reports whether a configuration changes nothing for the pair.
func (d *Duty) same(cfg *config.Config) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg != nil && reflect.DeepEqual(d.layout(d.cfg, d.now.box), d.layout(cfg, d.now.box))
}

// manner is how a pair ends at this box.
type manner uint8

const (
	giveUp manner = iota // the other box is to go on
	leave                // the box goes on alone, if it is active
	change               // the box goes on in a pair of another configuration
	shed                 // the box is not one of the pair any more
)

func ending(before, next standing) manner {
	switch {
	case next.place == paired:
		return change
	case next.place == out:
		return shed
	}
	return leave
}

// start begins what there is to do with a pair. The box is active already, or it joins.
func (d *Duty) start(active bool) {
	d.mu.Lock()
	cfg, now, idle := d.cfg, d.now, d.run == nil || d.work != nil
	d.mu.Unlock()
	if idle || now.place != paired {
		return
	}
	w := newWork(d, d.layout(cfg, now.box), active)
	d.mu.Lock()
	d.work = w
	d.mu.Unlock()
	w.begin()
}

// stop ends it, and waits for that.
func (d *Duty) stop(how manner) {
	w := d.worker()
	if w == nil {
		return
	}
	w.end(how)
	d.mu.Lock()
	d.work = nil
	d.mu.Unlock()
}
