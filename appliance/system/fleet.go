package system

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"viaduct/appliance/config"
	"viaduct/appliance/fleet"
	"viaduct/appliance/fleet/member"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/pki"
	"viaduct/appliance/status"
)

// newMember makes what connects the box with the hub of its fleet.
func (s *System) newMember() *member.Member {
	return member.New(member.Options{
		Log: s.log, Health: &s.health, Dir: s.store.FleetDir(), Serial: s.o.Board.SerialNumber(), Lookup: s.resolver.Lookup, Roots: s.onlyRoots, Sealed: check.Sealed,
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
