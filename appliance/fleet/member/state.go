package member

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet/bus"
	"viaduct/appliance/health"
	"viaduct/appliance/plural"
	"viaduct/appliance/status"
)

// Status is how the box stands with its hub. cfg is the running configuration's, which may be newer than the one that is followed.
func (m *Member) Status(cfg *config.Fleet) status.Fleet {
	if cfg == nil {
		return status.Fleet{}
	}
	s := m.bus.State()
	m.mu.Lock()
	not, a := m.unready, m.acceptor
	m.mu.Unlock()
	f := status.Fleet{Name: cfg.Name, State: s.State, Since: s.Since, Hub: s.Hub, Why: cmp.Or(not.why, s.Why), Cure: cmp.Or(not.cure, s.Cure), Next: s.Next, Key: m.keys.public(), Remote: services(cfg)}
	f.Leases, f.Sent = m.leases.status(), m.report.Status()
	if a != nil {
		f.Tunnels = a.Tunnels()
	}
	return f
}

// public is the public half of the key, "" while there is none.
func (k *keys) public() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, err := bus.ReadKey(k.file)
	if err != nil {
		return ""
	}
	return key.Public()
}

// services are those that operators may connect to.
func services(cfg *config.Fleet) (list []string) {
	if !cfg.Enabled {
		return nil
	}
	if cfg.SSH {
		list = append(list, "ssh")
	}
	if cfg.HTTPS {
		list = append(list, "https")
	}
	return list
}

// judge sets the alarms of the connection, and clears them.
func (m *Member) judge(cfg *config.Fleet) {
	s := m.bus.State()
	m.mu.Lock()
	not := m.unready
	if cfg == nil {
		not, m.unready = unready{}, unready{}
	}
	m.mu.Unlock()
	on := cfg != nil && cfg.Enabled && cfg.Complete() && not.why == ""
	m.alarm(health.FleetUnready, not.why != "", health.Args{"why": not.why, "cure": not.cure})
	m.alarm(health.FleetRefused, on && s.State == status.FleetRefused, health.Args{"why": s.Why, "cure": s.Cure})
	away := on && s.State != status.FleetConnected && s.State != status.FleetRefused
	m.alarm(health.FleetAway, away, health.Args{"why": cmp.Or(s.Why, "it has not answered yet"), "cure": s.Cure})
	refused := on && s.State == status.FleetRefused
	if refused && !m.refused {
		m.leases.refused(s.Why)
	}
	m.refused = refused
	m.judgeLeases(on && s.State == status.FleetConnected)
	m.o.Health.Replace(health.FleetUnsent, m.losses.judge(m.report.Status(), on && s.State == status.FleetConnected, time.Now()))
}

// losses are what the hub has refused of what is sent, and when it refused some last.
type losses map[string]loss

type loss struct {
	n    uint64
	last time.Time
}

// lossTime is how long a single message that was refused is an alarm.
const lossTime = time.Hour

// judge says what the hub does not get.
func (l *losses) judge(sent []status.FleetSent, connected bool, now time.Time) (list []health.Args) {
	if *l == nil {
		*l = losses{}
	}
	for _, s := range sent {
		was, known := (*l)[s.What]
		if s.Refused > was.n && known {
			was.last = now
		}
		was.n = s.Refused
		(*l)[s.What] = was
		why := ""
		switch {
		case s.Lost:
			why = "some were deleted before they were sent"
		case connected && s.Failing != "":
			why = "it takes none: " + s.Failing
		case !was.last.IsZero() && now.Sub(was.last) < lossTime:
			why = fmt.Sprintf("it has refused %d since the start", s.Refused)
		}
		if why != "" {
			list = append(list, health.Args{"what": s.What, "why": why})
		}
	}
	return list
}

// lastWeek of grace is when it becomes pressing.
const lastWeek = 7

// judgeLeases sets the alarms of leases, and clears them.
func (m *Member) judgeLeases(connected bool) {
	var grace, ends, lapsed, refused []health.Args
	for _, k := range m.leases.each {
		s, ok := k.status()
		if !ok {
			continue
		}
		about := health.Args{"kind": s.Kind, "count": strconv.Itoa(s.Count), "why": s.Why, "end": s.Grace.UTC().Format("2006-01-02 15:04 UTC")}
		days := int((time.Until(s.Grace) + 24*time.Hour - 1) / (24 * time.Hour))
		switch {
		case s.State == status.PoolLeaseLapsed:
			lapsed = append(lapsed, about)
		case s.State != status.PoolLeaseGrace:
		case days <= lastWeek:
			about["left"] = plural.Of(days, "day")
			ends = append(ends, about)
		default:
			about["left"] = plural.Of(k.reminder(), "day")
			grace = append(grace, about)
		}
		if connected && (s.Why != "" || s.Max > 0) && m.leases.short(k.kind) {
			about["why"] = cmp.Or(s.Why, fmt.Sprintf("it lets this box have %d at most", s.Max))
			refused = append(refused, about)
		}
	}
	m.o.Health.Replace(health.LeaseGrace, grace)
	m.o.Health.Replace(health.LeaseEnds, ends)
	m.o.Health.Replace(health.LeaseLapsed, lapsed)
	m.o.Health.Replace(health.LeaseRefused, refused)
}

func (m *Member) alarm(w *health.Warnable, raised bool, args health.Args) {
	if raised {
		m.o.Health.Set(w, args)
		return
	}
	m.o.Health.Clear(w, "")
}
