package duty

import (
	"net/netip"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/pair/election"
	"viaduct/appliance/pair/vrrp"
)

// layout is all of a configuration that a pair works by.
type layout struct {
	box      uint8
	number   uint8 // of the virtual router
	interval time.Duration
	preempt  bool
	other    string // the key of the other box
	ports    []port
}

type port struct {
	vrrp.Port
	direct bool
	others netip.Prefix
}

func (d *Duty) layout(cfg *config.Config, box uint8) layout {
	r := cfg.Redundancy
	l := layout{box: box, number: r.Router, interval: r.Interval(), preempt: r.Preempt, other: r.Key(3 - box)}
	for _, i := range r.Interfaces {
		p := port{direct: i.Direct, others: i.Own(3 - box)}
		p.Port = vrrp.Port{Name: i.Interface.Name, Device: d.o.Device(cfg, i), Own: i.Own(box), Others: p.others.Addr(), Witnesses: cfg.Witnesses(i)}
		if own := cfg.IPInterface(i.Context, i.Interface); own != nil && !i.Direct {
			for _, a := range own.Addresses {
				if a.Prefix.IsValid() {
					p.Virtual = append(p.Virtual, a.Prefix.Addr())
				}
			}
		}
		l.ports = append(l.ports, p)
	}
	return l
}

// election is what the election is about.
func (l *layout) election(reign election.Reign, active bool) election.Options {
	o := election.Options{Box: l.box, Interval: l.interval, Preempt: l.preempt, Reign: reign, Active: active}
	for _, p := range l.ports {
		o.Ports = append(o.Ports, election.Port{Name: p.Name, Direct: p.direct, Own: p.Own.Addr(), Others: p.Others})
	}
	return o
}

// router is what VRRP is about.
func (l *layout) router() vrrp.Options {
	o := vrrp.Options{Router: l.number, Interval: l.interval}
	for _, p := range l.ports {
		o.Ports = append(o.Ports, p.Port)
	}
	return o
}
