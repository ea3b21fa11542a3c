package system

import (
	"crypto/tls"
	"log/slog"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/hep"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/records"
)

// newArchive makes what keeps the records of calls.
func (s *System) newArchive() *records.Archive {
	return records.New(records.Options{
		Dir: s.store.RecordsDir(), Log: s.log, Health: &s.health, Client: s.web,
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
