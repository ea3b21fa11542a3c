package system

import (
	"context"
	"errors"
	"slices"
	"time"

	"viaduct/appliance/clock"
	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/netcfg"
	"viaduct/appliance/status"
)

// reconcile applies the newest snapshot once changes have settled for a moment: a paste of hundreds of lines is applied once.
func (s *System) reconcile(ctx context.Context) error {
	var applied *config.Config
	settled(ctx, s.changed, s.now, func() {
		if cfg := s.Running(); s.placed.Swap(false) || cfg != applied {
			s.apply(cfg)
			applied = cfg
		}
	})
	return nil
}

const (
	settle = 200 * time.Millisecond // without a change
	latest = time.Second            // after the first change, however many follow: a script that never stops changing things must not hold them up
)

// settled calls apply at once, and then after changes, until ctx ends: once they have settled, or at once when now says so.
func settled(ctx context.Context, changed, now <-chan struct{}, apply func()) {
	apply() // whatever has changed meanwhile: a start does not wait
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	var first time.Time // of the changes that are not applied yet
	for {
		select {
		case <-ctx.Done():
			return
		case <-now:
			timer.Reset(0)
		case <-changed:
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(settle, latest-time.Since(first)))
		case <-timer.C:
			first = time.Time{}
			apply()
		}
	}
}

// apply brings the engines in line: network first, because sockets need its addresses, then the clock, then gateways with their
// keys, registrations and probes.
func (s *System) apply(cfg *config.Config) {
	if s.o.Syslog != nil {
		s.o.Syslog.Apply(cfg, lang.Hostname(cfg, s.Serial))
	}
	s.followDuty(cfg) // before the addresses
	s.watchGateways(len(cfg.Gateways))
	report, err := s.net.Apply(cfg)
	var refused []health.Args
	for _, w := range report.Warnings {
		refused = append(refused, health.Args{"why": w})
	}
	for _, e := range split(err) {
		if !errors.Is(e, netcfg.ErrOpen) { // an alarm of its own
			refused = append(refused, health.Args{"why": e.Error()})
		}
	}
	s.health.Replace(health.NetworkRefused, refused)
	s.o.Start.Done(stepNetwork)
	if len(report.Changes) > 0 {
		s.unlinked.Store(true)
		s.resolver.Retry()
	}
	s.watchPorts(cfg)
	s.clock.Apply(cfg)
	s.follow(cfg)
}

// follow has the engines go by a configuration, in the box's role.
func (s *System) follow(cfg *config.Config) {
	s.roles.Lock()
	defer s.roles.Unlock()
	effective := s.acting(s.net.Effective(cfg))
	s.effective.Store(effective)
	s.applySenders(effective)
	s.archive.Pair(cfg.Pair() != nil, !s.acts.Load())
	s.applySNMP(effective)
	s.page.Changed()
	s.member.Apply(effective) // before the first call can want a license
	now := time.Now()
	if s.acts.Load() {
		s.registrar.Apply(effective) // before its first phone can ask
	}
	s.sip.Apply(effective, effective.Address) // the result goes to gatewaysApplied
	s.presence.Apply(effective)
	s.applied.Store(&applied{cfg, now})
	s.acme.Changed()
}

// gatewaysApplied takes the failures of gateways, from Apply and from later attempts. Their sockets are open then, and their first requests
// follow.
func (s *System) gatewaysApplied(err error) {
	var refused []health.Args
	waits := ""
	for _, e := range split(err) {
		if errors.Is(e, clock.ErrWaits) {
			waits = e.Error()
			continue
		}
		refused = append(refused, health.Args{"why": e.Error()})
	}
	s.judge(health.TLSWaits, waits)
	s.health.Replace(health.GatewayRefused, refused)
	s.listening(waits != "")
	if s.unlinked.Swap(false) {
		s.awaitLinks(s.Running())
	}
}

// awaitLinks gives ports that have just come up a moment to find their carrier. Requests sent before that fail at once, and every hub
// would begin in the penalty box.
func (s *System) awaitLinks(cfg *config.Config) {
	for range 50 {
		st, err := s.net.State(cfg)
		if err != nil || !slices.ContainsFunc(st.Ports, func(p status.Port) bool {
			return p.Enabled && (p.State == status.LinkDown || p.State == status.LinkNoCarrier)
		}) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitClock lets the gateways begin with TLS as soon as the clock is right.
func (s *System) awaitClock(ctx context.Context) error {
	every := time.NewTicker(200 * time.Millisecond) // the clock may count as right without having been synchronised
	defer every.Stop()
	synced := s.clock.FirstSync()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-synced:
			synced = nil
		case <-every.C:
		}
		if s.health.Active(health.TLSWaits) && s.clock.Sane() == nil {
			s.health.Clear(health.TLSWaits, "")
			s.hasten()
		}
	}
}

// link takes a change of a port's link. Registrations that were lost with the link are renewed at once.
func (s *System) link(e netcfg.LinkEvent) {
	s.log.Info("link", "name", e.Device, "up", e.Link)
	s.snmp.Link(e.Device, e.Link)
	s.watchPorts(s.Running())
	if e.Link {
		s.online()
		s.ua.Refresh()
		s.events.Refresh()
	}
}

// leased takes a change of a DHCP lease: the engines follow the addresses.
func (s *System) leased() {
	s.online()
	s.hasten()
}

// online ends the pauses of the resolver, the clock and the way to the hub after unanswered queries: the network has changed.
func (s *System) online() {
	s.resolver.Retry()
	s.clock.Retry()
	s.member.Retry()
}

// touch tells the reconciler that something it follows has changed.
func (s *System) touch() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// split takes joined errors apart.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var list []error
		for _, e := range j.Unwrap() {
			list = append(list, split(e)...)
		}
		return list
	}
	return []error{err}
}
