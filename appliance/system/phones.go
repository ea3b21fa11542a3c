package system

import (
	"cmp"
	"context"
	"crypto/x509"
	"net/netip"
	"slices"
	"time"

	"viaduct/appliance/diag"
	"viaduct/appliance/license"
	"viaduct/appliance/pki"
	"viaduct/appliance/registrar"
	"viaduct/appliance/status"
	"viaduct/appliance/survival"
	"viaduct/appliance/watch"
)

// phones are the engines of phones that register here.
type phones struct {
	registrar *registrar.Registrar
	survival  *survival.Survivals
}

// newRegistrar makes what knows where the phones are. The engines that it tells are made after it.
func (s *System) newRegistrar() *registrar.Registrar {
	return registrar.New(registrar.Options{
		Log: s.sessions.Logger(diag.TopicSIP, diag.TopicTLS), Health: &s.health, Store: s.store, Pair: s.duty.Sender(),
		Licensed:   func() bool { return s.licenses.Has(license.SIPRegistrar) },
		Emergency:  func() bool { return s.survival.Emergency() },
		Registered: func(location, identity string) { s.events.Registered(location, identity) },
	})
}

// newSurvivals makes what has calls go other ways while a peer is gone.
func (s *System) newSurvivals() *survival.Survivals {
	return survival.New(survival.Options{Log: s.sessions.Logger(diag.TopicCall, diag.TopicRoute), Health: &s.health, Config: s.Running, Gone: s.ua.Gone, Ask: s.ua.Suspect})
}

// phonesHere are the phones as package sipevent asks for them.
type phonesHere struct{ *registrar.Registrar }

// Model is the User-Agent of the phone at an address.
func (p phonesHere) Model(at netip.Addr) string {
	name, _ := p.Registrar.Model(at)
	return name
}

// certificateRefused is told of each alert with which somebody has refused our certificate.
func (s *System) certificateRefused(gateway string, from netip.AddrPort, alert string, chain []*x509.Certificate) {
	s.eye.Refused(watch.Refusal{Gateway: gateway, From: from.Addr().Unmap(), Alert: alert, Chain: chain, At: time.Now()})
}

// watchedPhones are the phones as package watch asks for them.
type watchedPhones struct{ *System }

// PhoneAt is what is known of the phone at an address.
func (s watchedPhones) PhoneAt(at netip.Addr) (p watch.Phone) {
	p.UserAgent, p.Secured = s.registrar.Model(at)
	p.UserAgent = cmp.Or(p.UserAgent, s.provisioning.UserAgent(at))
	for _, b := range s.registrar.Bindings() {
		if b.Source.Addr().Unmap() == at && b.Refreshed.After(p.Registered) {
			p.Registered = b.Refreshed
		}
	}
	return p
}

// InternalRoot is the root of the internal CA; nil: there is none.
func (s watchedPhones) InternalRoot() *x509.Certificate {
	chain, err := s.store.Certificates(pki.InternalName)
	if err != nil || len(chain) == 0 {
		return nil
	}
	return chain[0]
}

// Phones are the identities as which phones may register, each with those that have.
func (s *System) Phones() (list []status.Phone) {
	here := map[[2]string][]status.Binding{}
	for _, b := range s.registrar.Bindings() {
		at := [2]string{b.Location, b.Identity}
		here[at] = append(here[at], b)
	}
	for _, l := range s.Running().Location {
		for _, i := range l.Identities {
			f, _ := l.Settings(i.Name)
			if f.Inbound == nil {
				continue
			}
			p := status.Phone{Location: l.Name, Identity: i.Name, Aliases: slices.Clone(i.Aliases), DisplayName: i.DisplayName, CallerID: cmp.Or(i.CallerID, i.Name),
				Most: f.Inbound.MaxContacts, Bindings: here[[2]string{l.Name, i.Name}]}
			if p.Bindings == nil {
				p.Bindings = []status.Binding{}
			}
			list = append(list, p)
		}
	}
	return list
}

// Bindings are the phones that have registered.
func (s *System) Bindings() []status.Binding { return s.registrar.Bindings() }

// ClearBindings forgets the phones of an identity.
func (s *System) ClearBindings(identity string) int { return s.registrar.Clear(identity) }

// RestartPhone has the phones of an identity fetch their settings and start again.
func (s *System) RestartPhone(ctx context.Context, identity string) ([]status.PhoneRestart, error) {
	return s.events.Restart(ctx, "", identity)
}

// Survivals are those that are configured, and how each is.
func (s *System) Survivals() []status.Survival { return s.survival.Status() }

// Bans lists who has shown wrong passwords, at a console or a phone, or asked for files of others' phones, the longest bans first.
func (s *System) Bans() []status.Ban {
	all := slices.Concat(s.bans.All(time.Now()), s.registrar.Bans(), s.provisioning.Bans())
	slices.SortStableFunc(all, func(a, b status.Ban) int { return cmp.Compare(b.Left, a.Left) })
	return all
}

// LiftBans forgets a source, or all of them.
func (s *System) LiftBans(source netip.Addr) int {
	return s.bans.Lift(source) + s.registrar.LiftBans(source) + s.provisioning.LiftBans(source)
}
