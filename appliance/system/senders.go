package system

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/egress"
	"viaduct/appliance/graph"
	"viaduct/appliance/health"
	"viaduct/appliance/hep"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/presence"
	"viaduct/appliance/records"
	"viaduct/appliance/sipevent"
	"viaduct/appliance/starface"
	"viaduct/appliance/status"
)

// newArchive makes what keeps the records of calls.
func (s *System) newArchive() *records.Archive {
	return records.New(records.Options{
		Dir: s.store.RecordsDir(), Log: s.log, Health: &s.health, Client: s.web, Pair: s.duty.Sender(),
		Sane: func() error { return s.clock.Sane() },
		Syslog: func(facility string, attributes []slog.Attr) {
			if s.o.Syslog != nil {
				s.o.Syslog.Tell(facility, "call record", attributes...)
			}
		},
	})
}

// newHEP makes what copies SIP messages to a capture server.
func (s *System) newHEP() *hep.Client {
	return hep.New(hep.Options{
		Lookup: s.resolver.Lookup,
		TLS:    func(p *config.TLSProfile, host string) (*tls.Config, error) { return pki.ClientConfig(p, s, host) },
		Away: func(server, why string) {
			if why == "" {
				s.health.Clear(health.HEPAway, server)
				return
			}
			s.health.Set(health.HEPAway, health.Args{"server": server, "why": why})
		},
	})
}

// applySenders has records and messages go where a configuration says. A secret that cannot be opened is none; a check tells of it.
func (s *System) applySenders(cfg *config.Config) {
	name, calls := lang.Hostname(cfg, s.Serial), cfg.Records()
	if check.Sealed(calls.Post.Token) {
		calls.Post.Token = ""
	}
	s.archive.Apply(calls, name)
	if cfg.HEP == nil {
		s.hep.Apply(nil, nil, "")
		return
	}
	capture := *cfg.HEP
	if check.Sealed(capture.AuthKey) {
		capture.AuthKey = ""
	}
	s.hep.Apply(&capture, capture.TLS.In(cfg), name)
}

// newPresence makes what keeps Teams and the PBX informed about each other's users.
func (s *System) newPresence() *presence.Engine {
	return presence.New(presence.Options{Log: s.log, Health: &s.health, Dial: s.dialGraph, Starface: s.dialStarface, Publisher: published{s.events}, Store: s.store,
		Carries: func(identity string) bool { return s.calls.Carries(identity) }})
}

// published has package sipevent tell a PBX how Teams users are.
type published struct{ by *sipevent.Agent }

// Publish tells how one of them is.
func (x published) Publish(p presence.Publication) { x.by.Publish(sipevent.Publication(p)) }

// dialStarface is the way to the REST interface of a STARFACE, and what the box logs in with. A certificate that is imported anew counts at once.
func (s *System) dialStarface(a config.StarfaceAccess) (http.RoundTripper, starface.Credentials, error) {
	c := starface.Credentials{URL: a.URL, User: a.User, Password: string(a.Password)}
	if check.Sealed(a.Password) {
		return nil, c, errors.New("its password was sealed by another box: enter it again")
	}
	to, err := url.Parse(a.URL)
	if err != nil {
		return nil, c, errors.New("its URL cannot be used")
	}
	var imported func() ([]*x509.Certificate, error)
	if a.CA != "" {
		imported = func() ([]*x509.Certificate, error) { return s.store.Certificates(pki.Name(a.CA)) }
		if _, err := imported(); err != nil {
			return nil, c, fmt.Errorf("%s cannot be used: %w", a.CA, err)
		}
	}
	return starface.Transport(s.dial, starface.Trust(to.Hostname(), s.ownRoots(), imported)), c, nil
}

// rootsWith are the roots that the box knows, and a certificate of the key store beside them; "": none. Many proxies that inspect TLS leave the
// sign-in to Microsoft alone, as Microsoft wants it.
func (s *System) rootsWith(ca config.PKIName) (*x509.CertPool, error) {
	roots := s.ownRoots()
	if ca == "" {
		return roots, nil
	}
	list, err := s.store.Certificates(pki.Name(ca))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used: %w", ca, err)
	}
	for _, x := range list {
		roots.AddCert(x)
	}
	return roots, nil
}

// dialGraph is the way to Microsoft Graph for a presence-service, and what the box signs in with. The error says what is missing.
func (s *System) dialGraph(p *config.PresenceService) (http.RoundTripper, graph.Credentials, error) {
	c := graph.Credentials{Tenant: p.Tenant, Application: p.Application, Cloud: p.Cloud, Secret: string(p.Secret.Value)}
	if p.Certificate != "" {
		chain, err := s.store.Certificates(pki.Name(p.Certificate))
		if err == nil && len(chain) == 0 {
			err = errors.New("it holds no certificate")
		}
		if err != nil {
			return nil, c, fmt.Errorf("%s cannot be used: %w", p.Certificate, err)
		}
		if c.Key, err = s.store.PrivateKey(pki.Name(p.PrivateKey())); err != nil {
			return nil, c, fmt.Errorf("%s cannot be used: %w", p.PrivateKey(), err)
		}
		c.Certificate, c.Secret = chain[0], ""
	}
	switch {
	case check.Sealed(p.Secret.Value) && p.Certificate == "":
		return nil, c, errors.New("its secret was sealed by another box: enter it again")
	case check.Sealed(p.Proxy.Password):
		return nil, c, errors.New("the password of its proxy was sealed by another box: enter it again")
	case p.Cloud == config.CloudChina:
		return nil, c, errors.New("there is no presence in the cloud of China")
	case !p.Complete():
		return nil, c, errors.New("it lacks tenant, application, or certificate and secret")
	}
	roots, err := s.rootsWith(p.Proxy.CA)
	if err != nil {
		return nil, c, err
	}
	return egress.Way{Lookup: s.resolver.Lookup, Proxy: p.Proxy, Roots: roots}.Transport(), c, nil
}

// Events is what the PBX is asked and told with SIP events.
func (s *System) Events() status.Events {
	return status.Events{Subscriptions: s.events.Subscriptions(), Publications: s.events.Publications(), Lines: s.events.Lines(), Watchers: s.events.Watchers()}
}

// lineOf takes what a PBX tells of an identity's phones.
func (s *System) lineOf(l sipevent.Line) {
	s.presence.Line(presence.Line{Identity: l.Identity, Origin: string(l.Origin), Busy: l.Busy, Lost: !l.Known, Since: l.Since})
}

// Presence is how the presence-services and their users are.
func (s *System) Presence() status.Presence {
	cfg := s.Running()
	all := s.presence.Status(cfg)
	for n, p := range cfg.Presence {
		st := &all.Services[n]
		c := graph.Credentials{Tenant: p.Tenant, Application: p.Application, Cloud: p.Cloud}
		if p.Tenant != "" && p.Application != "" {
			st.Consent = graph.ConsentLink(c)
		}
		if p.Certificate == "" {
			continue
		}
		st.Certificate = pki.Name(p.Certificate)
		if chain, err := s.store.Certificates(st.Certificate); err == nil && len(chain) > 0 {
			c.Certificate = chain[0]
			st.Thumbprint = c.Thumbprint()
		}
	}
	return all
}

// TestPresence goes through the steps of one presence-service, or of all that are not shut down. It tests what is configured now: a line that has just been
// entered is taken into use first.
func (s *System) TestPresence(ctx context.Context, name string, report func(status.CheckStep)) (status.Checkup, error) {
	if _, err := s.awaitApplied(ctx); err != nil {
		return status.Checkup{}, fmt.Errorf("the configuration is not in use yet: %w", err)
	}
	cfg := s.Effective()
	list := cfg.Presence
	if name != "" {
		p := (config.Ref[config.Config, config.PresenceService]{Name: name}).In(cfg)
		if p == nil {
			return status.Checkup{}, fmt.Errorf("there is no presence-service %s: `show presence` lists them", name)
		}
		list = []*config.PresenceService{p}
	}
	if len(list) == 0 {
		return status.Checkup{}, errors.New("there is no presence-service: docs/presence.md shows how to begin")
	}
	out := status.Checkup{Of: "presence", Started: time.Now()}
	for _, p := range list {
		if p.Enabled || name != "" {
			s.presence.Test(ctx, p.Name, func(x status.CheckStep) {
				out.Steps = append(out.Steps, x)
				report(x)
			})
		}
	}
	out.Ended = time.Now()
	return out, nil
}
