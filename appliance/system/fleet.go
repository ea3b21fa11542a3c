package system

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/member"
	"viaduct/appliance/fleet/report"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// newMember makes what connects the box with the hub of its fleet.
func (s *System) newMember() *member.Member {
	return member.New(member.Options{
		Log: s.log, Health: &s.health, Dir: s.store.FleetDir(), Serial: s.o.Board.SerialNumber, Lookup: s.resolver.Lookup, Roots: s.onlyRoots, Sealed: check.Sealed,
		Sane: s.clock.Sane, Licenses: s.licenses, Service: s.ownService, Note: s.Note,
		Records: s.archive.Follow(report.RecordsFile), Status: s.fleetStatus,
	})
}

// onlyRoots are certificates of the key store, without the roots that the box knows beside them.
func (s *System) onlyRoots(names ...config.PKIName) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	for _, name := range names {
		list, err := s.store.Certificates(pki.Name(name))
		if err != nil {
			return nil, fmt.Errorf("%s cannot be used: %w", name, err)
		}
		for _, x := range list {
			roots.AddCert(x)
		}
	}
	return roots, nil
}

// fleetStatus is what the hub gets to know of the box.
func (s *System) fleetStatus() fleet.Status {
	v := s.System()
	return fleet.Status{Serial: v.Serial, Firmware: v.Release, Board: v.Board, Started: v.Started, Calls: s.CallCount(), Licenses: s.licenses.Table(), Remote: s.Fleet().Remote}
}

// ownService is where the box itself serves what operators of the hub may connect to.
func (s *System) ownService(service string) (netip.AddrPort, error) {
	if service == "ssh" {
		return s.o.SSH, nil
	}
	cfg := s.effective.Load()
	list, _ := cfg.WebAddresses()
	if len(list) == 0 {
		return netip.AddrPort{}, errors.New("the box has no web page: `webserver https` is missing there, or its port is taken")
	}
	at := list[max(0, slices.IndexFunc(list, netip.Addr.Is4))]
	return netip.AddrPortFrom(at, cfg.Web.HTTPS.Port), nil
}

// Fleet is how the box stands with its hub.
func (s *System) Fleet() status.Fleet { return s.member.Status(s.Running().Fleet) }

// FleetKey is the file that a hub takes the box by.
func (s *System) FleetKey() (fleet.KeyFile, error) {
	f := s.Running().Fleet
	if f == nil {
		return fleet.KeyFile{}, errors.New("the box belongs to no fleet")
	}
	return s.member.KeyFile(f.Name)
}

// GenerateFleetKey puts a new key in the place of the present one, and has the hub end that.
func (s *System) GenerateFleetKey(ctx context.Context) (ended bool, err error) {
	return s.member.GenerateKey(ctx)
}
