package system

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
)

// InstallLicense verifies a key and keeps it.
func (s *System) InstallLicense(key string) (string, error) {
	l, err := s.licenses.Install(key, s.o.Board.SerialNumber(), time.Now(), s.Running().LicenseAuthorities)
	if err != nil {
		return "", err
	}
	if err := s.store.AddLicense(l.Key); err != nil {
		s.licenses.Remove(l.Key)
		return "", err
	}
	return l.String(), nil
}

// EraseLicense removes a key, in force or not, by itself or by its ID, and returns its description. Calls go on.
func (s *System) EraseLicense(key string) (string, error) {
	keys, _ := s.store.Licenses()
	at := slices.IndexFunc(keys, func(k string) bool { return k == key || strings.EqualFold(license.ID(k), key) })
	if at < 0 {
		return "", errors.New("no such key is installed; `show system licenses detail 1` lists them")
	}
	key = keys[at]
	if err := s.store.RemoveLicense(key); err != nil {
		return "", err
	}
	about := s.about(key).About
	s.licenses.Remove(key)
	return about, nil
}

// judgeLicenses brings the licenses in force in line with the issuers that are trusted now. It installs stored keys of new issuers and
// drops licenses of issuers that are not trusted any more. Calls go on. A refused key stays in the store: its issuer may be configured
// again, or the clock may be wrong now.
func (s *System) judgeLicenses() {
	for _, l := range s.licenses.Distrust(s.Running().LicenseAuthorities) {
		s.log.Warn("license not in force any more, its issuer is not trusted", "name", l.Kind, "serial", l.Serial)
	}
	keys := s.storedLicenses()
	have := s.licenses.List()
	for _, key := range keys {
		if slices.ContainsFunc(have, func(l license.License) bool { return l.Key == key }) {
			continue
		}
		if _, err := s.licenses.Install(key, s.o.Board.SerialNumber(), time.Now(), s.Running().LicenseAuthorities); err != nil {
			s.log.Warn("license not in force", "err", err)
		}
	}
}

// storedLicenses returns the keys in the store. A damaged file is an alarm until it is written again.
func (s *System) storedLicenses() []string {
	keys, err := s.store.Licenses()
	switch {
	case err == nil:
		s.health.Clear(health.LicensesDamaged, "")
	case len(keys) > 0:
		s.health.Set(health.LicensesDamaged, health.Args{
			"why": err.Error(), "left": fmt.Sprintf("%d of the version before are in force; install one again, and all are written anew", len(keys)),
		})
	default:
		s.health.Set(health.LicensesDamaged, health.Args{"why": err.Error(), "left": "none is in force"})
	}
	return keys
}

// Licenses returns the pools, the features and the keys behind them.
func (s *System) Licenses() status.Licenses {
	l := status.Licenses{
		Serial: s.o.Board.SerialNumber(), Pools: s.licenses.Table(), Peaks: s.licenses.Peaks(), Features: s.licenses.Features(),
	}
	for _, key := range s.storedLicenses() {
		l.Keys = append(l.Keys, s.about(key))
	}
	return l
}

// about describes what a key gives, or why it is not in force.
func (s *System) about(key string) status.LicenseKey {
	about := status.LicenseKey{Key: key, ID: license.ID(key)}
	l, err := license.Verify(key, s.o.Board.SerialNumber(), time.Now(), s.Running().LicenseAuthorities)
	if err != nil {
		about.About = "not in force: " + err.Error()
		return about
	}
	about.About, about.InForce = l.String()+", of issuer "+l.Issuer, true
	about.Kind, about.Count, about.Serial, about.System, about.Issuer, about.Expires = string(l.Kind), l.Count, l.Serial, l.System, l.Issuer, l.Expires
	return about
}
