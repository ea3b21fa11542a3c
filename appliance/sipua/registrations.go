package sipua

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/sipdialog"
	"viaduct/appliance/sipgw"
	"viaduct/appliance/siptransport"
	"viaduct/appliance/status"
)

// Registrations tells the state of every registration, ordered by gateway and identity.
func (a *Agent) Registrations() []status.Registration {
	var list []status.Registration
	for _, r := range a.registrations.Workers() {
		list = append(list, r.Snapshot())
	}
	slices.SortFunc(list, func(a, b status.Registration) int {
		return strings.Compare(a.Gateway+"\x00"+a.Identity+"\x00"+a.AOR, b.Gateway+"\x00"+b.Identity+"\x00"+b.AOR)
	})
	return list
}

// RegisterNow has the registrations of an identity, "" of all, try at once, whatever they are waiting for, and returns how many.
func (a *Agent) RegisterNow(identity string) (n int) {
	for _, r := range a.registrations.Workers() {
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
	list := a.registrations.Workers()
	for _, r := range list {
		select {
		case r.kick <- rand.N(Spread(len(list))):
		default: // one is waiting already
		}
	}
}

// Account is an identity of a gateway, as its registrar knows it.
type Account struct {
	Via                        sipdialog.Client
	Gateway, Service, Identity string
	Domain                     string // host of its addresses, an IPv6 address in brackets
	To                         siptransport.Target
	Credential                 config.Credential
	Registration               config.Registration
}

// AOR is the address of a user at the registrar: that of the identity itself, or of another.
func (a Account) AOR(user string) string { return "sip:" + user + "@" + a.Domain }

// Accounts are the identities of the running gateways that are wanted, in the order of the configuration.
func Accounts(stack *sipgw.Stack, cfg *config.Config, wanted func(config.IdentitySettings) bool) (list []Account) {
	for _, gc := range cfg.Gateways {
		via, runs := stack.Client(gc.Name)
		if !runs || !gc.Enabled {
			continue
		}
		for _, ref := range gc.Location {
			l := ref.In(cfg)
			if l == nil || len(l.Domains) == 0 {
				continue
			}
			for _, id := range l.Identities {
				if f, _ := l.Settings(id.Name); wanted(f) {
					list = append(list, accountOf(cfg, via, gc.Name, l, id.Name, f))
				}
			}
		}
	}
	return list
}

func accountOf(cfg *config.Config, via sipdialog.Client, gateway string, l *config.LocationService, identity string, f config.IdentitySettings) Account {
	domain := slices.MinFunc(l.Domains, func(a, b config.Domain) int { return cmp.Compare(a.Index, b.Index) })
	var registration config.Registration
	if f.Registration != nil {
		registration = *f.Registration
	}
	registrar := registration.Registrar
	if registrar.Host == "" {
		registrar = config.HostPort{Host: domain.Host, Port: domain.Port}
	}
	credential, _ := l.Credential(cfg, identity)
	return Account{
		Via: via, Gateway: gateway, Service: l.Name, Identity: identity, Domain: siptransport.Target{Host: domain.Host}.String(),
		To:         siptransport.Target{Host: registrar.Host, Port: registrar.Port, Transport: via.Transport(nil, identity)},
		Credential: credential, Registration: registration,
	}
}

// wantedRegistrations are the registrations that a configuration asks for: one per identity with `register auto` in a location
// service that is bound to a gateway.
func (a *Agent) wantedRegistrations(cfg *config.Config) []registrationSpec {
	var list []registrationSpec
	led := map[string]bool{} // registrars
	for _, account := range Accounts(a.stack, cfg, func(f config.IdentitySettings) bool {
		return f.Registration != nil && f.Registration.Auto && !f.Registration.None
	}) {
		spec := specOf(account)
		at := spec.gateway + " " + spec.uri
		spec.lead, led[at] = !led[at], true
		list = append(list, spec)
	}
	return list
}

func specOf(a Account) registrationSpec {
	r := a.Registration
	return registrationSpec{
		via: a.Via, gateway: a.Gateway, service: a.Service, identity: a.Identity,
		aor:     a.AOR(a.Identity),
		uri:     a.To.URI(),
		contact: a.Via.Contact(a.Identity, a.To),
		to:      a.To,
		account: a.Credential, lifetime: max(r.Lifetime, time.Second),
		clientError: r.RetryClientError, serverError: r.RetryServerError, systemError: r.RetrySystemError,
	}
}
