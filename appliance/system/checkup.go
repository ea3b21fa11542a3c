package system

import (
	"context"
	"net/netip"

	"viaduct/appliance/checkup"
	"viaduct/appliance/config"
	"viaduct/appliance/sipua"
	"viaduct/appliance/status"
)

// newCheckup makes the checker of the box.
func (s *System) newCheckup() *checkup.Checker {
	return checkup.Open(checkup.Options{
		Log: s.log, Box: s, Resolver: s.resolver, Health: &s.health, Load: s.store.LoadCheck, Save: s.store.SaveCheck, Rests: func() bool { return !s.acts.Load() },
	})
}

// Check goes through the steps that calls need, and reports each.
func (s *System) Check(ctx context.Context, of string, report func(status.CheckStep)) status.Checkup {
	return s.checkup.Check(ctx, of, report)
}

// CheckFederation looks at what a partner needs who federates with a domain.
func (s *System) CheckFederation(ctx context.Context, domain string, report func(status.CheckStep)) status.Checkup {
	return s.checkup.CheckFederation(ctx, domain, report)
}

// LastCheck is the outcome of the last check of everything.
func (s *System) LastCheck() status.Checkup { return s.checkup.Last() }

// Effective is the configuration in force, with the addresses from DHCP servers.
func (s *System) Effective() *config.Config { return s.effective.Load() }

// MeasureClock asks the time servers now, and leaves the clock alone.
func (s *System) MeasureClock(ctx context.Context) []status.TimeServer { return s.clock.Measure(ctx) }

// Question is the OPTIONS that an interface would send to a host.
func (s *System) Question(ctx context.Context, iface config.InterfaceID, host string) (sipua.Question, error) {
	return s.ua.Question(ctx, iface, host)
}

// TryAccounts asks the registrars of a gateway's identities whether they take the passwords.
func (s *System) TryAccounts(ctx context.Context, gateway string) (int, *sipua.Refused, error) {
	return s.ua.TryAccounts(ctx, gateway)
}

// AskNeighbour has the kernel ask a host of an attached network for its hardware address again.
func (s *System) AskNeighbour(a netip.Addr) error { return s.net.AskNeighbour(a) }
