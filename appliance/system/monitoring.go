package system

import (
	"crypto"
	"crypto/x509"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/exporter"
	"viaduct/appliance/health"
	"viaduct/appliance/lang"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/provisioning"
	"viaduct/appliance/snmp"
	"viaduct/appliance/status"
	"viaduct/appliance/webserver"
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
		Peers: s.Peers(), Gateways: s.Gateways(), Alarms: s.Alarms(), Redundancy: s.Redundancy(), Consoles: len(s.Sessions()),
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

// Web is the state of the web server.
func (s *System) Web() status.Web { return s.page.Status() }

// SetupCode opens a box without passwords.
func (s *System) SetupCode() string { return s.page.SetupCode() }

// SetUp has the first account made.
func (s *System) SetUp(code string, open func() error) error { return s.page.SetUp(code, open) }

// WebOffer is what consoled serves.
func (s *System) WebOffer() *webserver.Offer { return s.page.Offer() }

// SignWeb signs for a handshake of the web server.
func (s *System) SignWeb(leaf, message []byte, hash crypto.Hash, pss bool) ([]byte, error) {
	return s.page.Sign(leaf, message, hash, pss)
}

// webTerminal is how the terminals of browsers begin.
const webTerminal = "web"

func (s *System) newPage() *webserver.Server {
	return webserver.New(webserver.Options{
		Log: s.log, Health: &s.health, PKI: s, Load: s.store.WebCertificate, Save: s.store.SaveWebCertificate, Config: s.effective.Load, Clock: s.clock.Sane,
		Open: func() bool { return s.Running().OpenDoor() },
		Host: func(cfg *config.Config) string { return lang.Hostname(cfg, s.Serial) },
		InUse: func() bool {
			return slices.ContainsFunc(s.Sessions(), func(x status.Session) bool { return strings.HasPrefix(x.TTY, webTerminal) })
		},
	})
}

// newProvisioning makes what phones fetch their settings from.
func (s *System) newProvisioning() *provisioning.Server {
	return provisioning.New(provisioning.Options{
		Log: s.log, Health: &s.health, Config: s.effective.Load, Sealed: check.Sealed, Neighbours: s.net.Neighbours, Ask: s.net.AskNeighbour,
		Root: func() (*x509.Certificate, error) {
			chain, err := s.store.Certificates(pki.InternalName)
			if err != nil {
				return nil, err
			}
			return chain[0], nil
		},
		Transport: func() http.RoundTripper { return s.web().Transport },
		Load:      s.store.LoadPhoneAddresses, Save: s.store.SavePhoneAddresses,
		LoadTemplate: s.store.ProvisioningTemplate, SaveTemplate: s.store.SaveProvisioningTemplate, EraseTemplate: s.store.EraseProvisioningTemplate,
	})
}

// Provisioning is what phones have fetched.
func (s *System) Provisioning() status.Provisioning { return s.provisioning.Status() }

// OpenProvisioning lets phones fetch for the first time for a while.
func (s *System) OpenProvisioning(d time.Duration, by string) (time.Time, error) {
	return s.provisioning.Open(d, by)
}

// CloseProvisioning ends that.
func (s *System) CloseProvisioning(by string) bool { return s.provisioning.Close(by) }

// ProvisioningTemplate is a template of files for phones.
func (s *System) ProvisioningTemplate(name string) (status.ProvisioningTemplate, error) {
	return s.provisioning.Template(name)
}

// ImportProvisioningTemplate takes an administrator's template.
func (s *System) ImportProvisioningTemplate(name string, text []byte) error {
	return s.provisioning.ImportTemplate(name, text)
}

// EraseProvisioningTemplate takes the built-in one again.
func (s *System) EraseProvisioningTemplate(name string) error {
	return s.provisioning.EraseTemplate(name)
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
