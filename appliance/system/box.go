package system

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"viaduct/appliance/config"
	"viaduct/appliance/lang/check"
	"viaduct/appliance/lang/device"
	"viaduct/appliance/status"
	"viaduct/appliance/store"
)

var _ device.Box = (*System)(nil)

// Running returns the running configuration.
func (s *System) Running() *config.Config { return s.running.Load() }

// Mutate publishes what change makes of the running configuration.
func (s *System) Mutate(by status.Author, change func(*config.Config) (*config.Config, error)) error {
	s.mutate.Lock()
	defer s.mutate.Unlock()
	before := s.running.Load()
	cfg, err := change(before)
	if err != nil {
		return err
	}
	s.running.Store(cfg)
	if !slices.Equal(before.LicenseAuthorities, cfg.LicenseAuthorities) {
		s.judgeLicenses()
		s.ends.Judge()
	}
	if cfg != before {
		s.commits.Changed(by)
	}
	s.touch()
	return nil
}

// Env returns what checks of the configuration may know of this box.
func (s *System) Env() check.Env {
	synced := s.clock.Synced()
	return check.Env{
		PKI: s, Calendar: s.ends.InForce(), Now: time.Now(), Synced: &synced,
		Resolve: func(host string) ([]netip.Addr, bool) {
			addrs := s.resolver.Cached(host)
			return addrs, len(addrs) > 0
		},
	}
}

// factory is the configuration of a new box: the LAN port has an address at which SSH and the web page answer. SSH admits no one until an account
// with a password exists. The first one is made at the serial line, or on the web page with a code that the serial line shows. Everything else is closed.
const factory = `cli version 4.00
webserver https
context ip ROUTER
  interface if_eth00
    ipaddress if_eth00 192.168.1.1/24
port ethernet 0 0
  bind interface ROUTER if_eth00
  no shutdown
`

// ReadFile returns "startup-config", "factory-config" or "startup-config.N", the Nth last one.
func (s *System) ReadFile(name string) ([]byte, error) {
	switch name {
	case "startup-config":
		return s.store.Startup()
	case "factory-config":
		return []byte(s.factoryText()), nil
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(name, "startup-config.")); err == nil {
		return s.store.OldStartup(n)
	}
	return nil, fmt.Errorf("there is no file %s", name)
}

// Kept counts the startup-configs before the present one.
func (s *System) Kept() int {
	list, _ := s.store.OldStartups()
	return len(list)
}

// SavedConfigs lists the startup-config and those before it, the newest first.
func (s *System) SavedConfigs() ([]status.SavedConfig, error) {
	list := []status.SavedConfig{}
	present, err := s.store.StartupSaved()
	switch {
	case err == nil:
		list = append(list, status.SavedConfig{Name: store.StartupFile, Saved: present.Time, Size: present.Size})
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	old, err := s.store.OldStartups()
	for n, v := range old {
		list = append(list, status.SavedConfig{Name: fmt.Sprintf("%s.%d", store.StartupFile, n+1), Saved: v.Time, Size: v.Size})
	}
	return list, err
}

// nothing is the startup-config of an empty configuration. The box takes an empty file for a damaged one.
const nothing = "# nothing is configured\n"

// WriteFile replaces the startup-config.
func (s *System) WriteFile(name string, text []byte) error {
	if name != "startup-config" {
		return fmt.Errorf("%s cannot be written", name)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte(nothing)
	}
	if err := s.store.SaveStartup(text); err != nil {
		return err
	}
	s.rewritten(text)
	return nil
}

// EraseFile removes the startup-config.
func (s *System) EraseFile(name string) error {
	if name != "startup-config" {
		return fmt.Errorf("%s cannot be erased", name)
	}
	if err := s.store.EraseStartup(); err != nil {
		return err
	}
	s.rewritten(nil)
	return nil
}

// republish publishes the same configuration as a new snapshot, because a key or certificate that it names has changed.
func (s *System) republish() {
	select {
	case s.rekeyed <- struct{}{}:
	default:
	}
	s.renew()
	s.touch()
}

// hasten does so for what happens once and is waited for: no other change of the kind follows.
func (s *System) hasten() {
	s.renew()
	select {
	case s.now <- struct{}{}:
	default:
	}
}

func (s *System) renew() {
	s.mutate.Lock()
	defer s.mutate.Unlock()
	again := *s.running.Load()
	s.running.Store(&again)
}

// Logins over the network use Banned, WrongPassword and RightPassword.

func (s *System) Banned(source netip.Addr) time.Duration { return s.bans.Left(source, time.Now()) }

func (s *System) RightPassword(source netip.Addr, account string) { s.bans.Right(source, account) }
