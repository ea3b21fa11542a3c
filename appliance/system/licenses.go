package system

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/health"
	"viaduct/appliance/license"
	"viaduct/appliance/status"
)

// InstallLicense verifies a key and keeps it.
func (s *System) InstallLicense(key string) (string, error) {
	l, err := s.bound(key, s.licenses.Install)
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
		if _, err := s.bound(key, s.licenses.Install); err != nil {
			s.log.Warn("license not in force", "err", err)
		}
	}
}

// licensed are the serial numbers whose licenses are the box's: its own, and that of the other box of its pair. Both have the keys of both, and one of them has
// the calls.
func (s *System) licensed() []string {
	list := []string{s.o.Board.SerialNumber()}
	if key := s.otherKey(); key != "" {
		if other := s.partner.Serial(key, time.Now()); other != "" {
			list = append(list, other)
		}
	}
	return list
}

// bound verifies or installs a key that is for one of these systems.
func (s *System) bound(key string, take func(key, serial string, now time.Time, authorities []*config.LicenseAuthority) (license.License, error)) (license.License, error) {
	var first error
	for _, serial := range s.licensed() {
		l, err := take(key, serial, time.Now(), s.Running().LicenseAuthorities)
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
	}
	return license.License{}, first
}

// otherKey is the key of the other box of the pair; "": there is none.
func (s *System) otherKey() string {
	b, _ := s.seat(s.Running())
	if b.Pair == nil || b.Number == 0 {
		return ""
	}
	return b.Pair.Key(3 - b.Number)
}

// seePartner remembers the other box while it is heard, and has licenses follow. It is called by the watcher.
func (s *System) seePartner() {
	key := s.otherKey()
	if o := s.duty.Status().Other; key != "" && o.Linked && o.Serial != "" && o.Serial != s.o.Board.SerialNumber() {
		s.partner.Saw(key, o.Serial, time.Now())
	}
	after := s.licensed()
	if slices.Equal(after, s.counted) {
		return
	}
	s.counted = after
	for _, l := range s.licenses.Unbind(after...) {
		s.log.Warn("license not in force any more, its system is not one of the pair", "name", l.Kind, "serial", l.Serial, "system", l.System)
	}
	s.judgeLicenses()
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
	l, err := s.bound(key, license.Verify)
	if err != nil {
		about.About = "not in force: " + err.Error()
		return about
	}
	about.About, about.InForce = l.String()+", of issuer "+l.Issuer, true
	about.Kind, about.Count, about.Serial, about.System, about.Issuer, about.Expires = string(l.Kind), l.Count, l.Serial, l.System, l.Issuer, l.Expires
	return about
}
