package system

import (
	"io"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/exporter"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/snmp"
	"viaduct/appliance/status"
)

// SNMP is the state of the SNMP responder.
func (s *System) SNMP() status.SNMP { return s.snmp.Status() }

// HEP is the state of the client of a capture server.
func (s *System) HEP() status.HEP { return s.hep.Status() }

func (s *System) newSNMP() *snmp.Responder {
	return snmp.New(snmp.Options{
		Log: s.log, Health: &s.health, View: s.view, Processors: processors, Lookup: s.resolver.Lookup, Load: s.store.SNMPEngine, Save: s.store.SaveSNMPEngine,
	})
}

// view is what stations may see.
func (s *System) view() snmp.View {
	return snmp.View{
		System: s.System(), Clock: s.Clock(), Ports: s.network().Ports, Calls: s.Calls(), Licenses: s.Licenses(), Registrations: s.Registrations(),
		Peers: s.Peers(), Gateways: s.Gateways(), Alarms: s.Alarms(), Consoles: len(s.Sessions()),
	}
}

// applySNMP leaves out what has no password: one that cannot be opened, or that is too short to be safe. The check tells of both.
func (s *System) applySNMP(cfg *config.Config) {
	if cfg.SNMP == nil {
		s.snmp.Apply(snmp.Settings{})
		return
	}
	want := snmp.Settings{SNMP: *cfg.SNMP, Hostname: lang.Hostname(cfg, s.Serial), Local: cfg.ServiceAddresses(cfg.SNMP.Access)}
	if check.Sealed(want.Community) {
		want.Community = ""
	}
	want.Users = slices.DeleteFunc(slices.Clone(want.Users), func(u config.SNMPUser) bool { return check.SNMPUser(u) != "" })
	s.snmp.Apply(want)
}

// Exporter is the engine that serves the metrics on the network, if the configuration wants it.
func (s *System) Exporter(write func(io.Writer) error) Engine {
	e := exporter.New(exporter.Options{Log: s.log, Health: &s.health, PKI: s, Write: write, Settings: func() *exporter.Settings {
		cfg := s.effective.Load()
		p := cfg.MetricsProfile()
		if p == nil || check.MetricsToken(cfg.Metrics.Token) != "" {
			return nil
		}
		return &exporter.Settings{Metrics: *cfg.Metrics, Profile: p, Local: cfg.ServiceAddresses(cfg.Metrics.Access)}
	}})
	return Engine{Name: "metrics", Down: health.ServiceDown, Run: e.Run}
}
