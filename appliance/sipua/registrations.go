package sipua

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Registrations tells the state of every registration, ordered by gateway and identity.
func (a *Agent) Registrations() []status.Registration {
	var list []status.Registration
	for _, r := range a.registrations.workers() {
		list = append(list, r.snapshot())
	}
	slices.SortFunc(list, func(a, b status.Registration) int {
		return strings.Compare(a.Gateway+"\x00"+a.Identity+"\x00"+a.AOR, b.Gateway+"\x00"+b.Identity+"\x00"+b.AOR)
	})
	return list
}

// RegisterNow has the registrations of an identity, "" of all, try at once, whatever they are waiting for, and returns how many.
func (a *Agent) RegisterNow(identity string) (n int) {
	for _, r := range a.registrations.workers() {
		if identity != "" && r.spec.identity != identity {
			continue
		}
		n++
		select {
		case r.demand <- struct{}{}:
		default: // it is about to
		}
	}
	return n
}

// registerSoon has every identity register anew.
func (a *Agent) registerSoon() {
	list := a.registrations.workers()
	for _, r := range list {
		select {
		case r.kick <- rand.N(spread(len(list))):
		default: // one is waiting already
		}
	}
}

// wantedRegistrations are the registrations that a configuration asks for: one per identity with `register auto` in a location
// service that is bound to a gateway.
func (a *Agent) wantedRegistrations(cfg *config.Config) []registrationSpec {
	var list []registrationSpec
	led := map[string]bool{} // registrars
	for _, gc := range cfg.Gateways {
		via, runs := a.stack.Client(gc.Name)
		if !runs || !gc.Enabled {
			continue
		}
		for _, ref := range gc.Location {
			l := ref.In(cfg)
			if l == nil || len(l.Domains) == 0 {
				continue
			}
			for _, id := range l.Identities {
				if f, _ := l.Settings(id.Name); f.Registration != nil && f.Registration.Auto && !f.Registration.None {
					spec := specOf(cfg, via, gc.Name, l, id.Name, f)
					at := spec.gateway + " " + spec.uri
					spec.lead, led[at] = !led[at], true
					list = append(list, spec)
				}
			}
		}
	}
	return list
}

func specOf(cfg *config.Config, via sipgw.Client, gateway string, l *config.LocationService, identity string, f config.IdentitySettings) registrationSpec {
	domain := slices.MinFunc(l.Domains, func(a, b config.Domain) int { return cmp.Compare(a.Index, b.Index) })
	registrar := f.Registration.Registrar
	if registrar.Host == "" {
		registrar = config.HostPort{Host: domain.Host, Port: domain.Port}
	}
	account, _ := l.Credential(cfg, identity)
	to := siptransport.Target{Host: registrar.Host, Port: registrar.Port, Transport: via.Transport(nil, identity)}
	r := f.Registration
	return registrationSpec{
		via: via, gateway: gateway, service: l.Name, identity: identity,
		aor:     "sip:" + identity + "@" + siptransport.Target{Host: domain.Host}.String(),
		uri:     to.URI(),
		contact: via.Contact(identity, to),
		to:      to,
		account: account, lifetime: max(r.Lifetime, time.Second),
		clientError: r.RetryClientError, serverError: r.RetryServerError, systemError: r.RetrySystemError,
	}
}
