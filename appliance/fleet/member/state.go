package member

import (
	"cmp"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/status"
)

// Status is how the box stands with its hub. cfg is the running configuration's, which may be newer than the one that is followed.
func (m *Member) Status(cfg *config.Fleet) status.Fleet {
	if cfg == nil {
		return status.Fleet{}
	}
	s := m.bus.State()
	m.mu.Lock()
	not := m.unready
	m.mu.Unlock()
	f := status.Fleet{Name: cfg.Name, State: s.State, Since: s.Since, Hub: s.Hub, Why: cmp.Or(not.why, s.Why), Cure: cmp.Or(not.cure, s.Cure), Next: s.Next, Key: m.keys.public(), Remote: services(cfg)}
	return f
}

// public is the public half of the key, "" while there is none.
func (k *keys) public() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		return ""
	}
	return k.key.Public()
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
}

func (m *Member) alarm(w *health.Warnable, raised bool, args health.Args) {
	if raised {
		m.o.Health.Set(w, args)
		return
	}
	m.o.Health.Clear(w, "")
}
