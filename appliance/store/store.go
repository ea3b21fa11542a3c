// Package store is the state folder of a box: startup-config and the last ten before it, keys and certificates, licenses, the saved
// time, the key that seals passwords, and backups of all that.
//
// It owns the layout of the folder and the form of a backup. It does not own what the texts mean (lang, pki, license), nor when they
// are written. It starts no goroutine. PID 1 mounts the medium; flash writes files so that they survive a power cut.
package store

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"viaduct/appliance/flash"
)

// Store is the state folder. Every change is atomic and survives a power cut once the method has returned. Keys and certificates
// are read once and served from memory. Problems reports files that cannot be read; they stay in their places, and the others are
// loaded. Store implements pki.Store. Safe for concurrent use.
type Store struct {
	dir      string
	startup  flash.Versions
	licenses flash.Versions

	writing  sync.Mutex // one change at a time
	readOnly bool       // nothing can be written, from the start on
	damage   []error    // found at the start, except single keys

	mu    sync.RWMutex // the maps
	certs map[string]entry[[]*x509.Certificate]
	keys  map[string]entry[crypto.Signer]
}

// entry is one file of the key store: its value, or the reason why it cannot be used.
type entry[T any] struct {
	value T
	err   error
}

// The layout of the folder. Private keys have a folder of their own so that it can be closed as a whole.
const (
	StartupFile  = "startup-config"
	licenseFile  = "licenses"
	timeFile     = "time"
	driftFile    = "drift"
	calendarFile = "calendar"
	chainsFile   = "chains"
	checkFile    = "check"
	starfaceFile = "starface"
	presenceFile = "presence"
	phonesFile   = "phones"
	snmpFile     = "snmp-engine"
	webFile      = "web-certificate"
	certFolder   = "pki/certificate"
	keyFolder    = "pki/private-key"
	recordsDir   = "cdr"
	trailDir     = "audit"
	alarmsDir    = "alarms"
	fleetDir     = "fleet"
	pairDir      = "pair"

	keptStartups  = 10
	alarmsMaximum = 1 << 20 // octets of the history of alarms
	trailMaximum  = 4 << 20 // octets of the trail of who did what; about 20,000 entries
)

// Open opens the state folder and makes its missing parts. It fails only when there is no such folder; Problems reports files that cannot
// be read. A read-only folder is fine: PID 1 mounts a damaged file system so, and the box must come up with its contents.
func Open(dir string) (*Store, error) {
	s := &Store{
		dir:      dir,
		startup:  flash.Versions{Path: filepath.Join(dir, StartupFile), Keep: keptStartups, Perm: 0o600}, // it holds passwords
		licenses: flash.Versions{Path: filepath.Join(dir, licenseFile), Keep: 1, Perm: 0o644},
		certs:    map[string]entry[[]*x509.Certificate]{},
		keys:     map[string]entry[crypto.Signer]{},
	}
	for _, folder := range []struct {
		name string
		perm fs.FileMode
	}{{"", 0o755}, {"pki", 0o755}, {certFolder, 0o755}, {keyFolder, 0o700}, {acmeFolder, 0o700}, {templateFolder, 0o755}} {
		path := filepath.Join(dir, folder.name)
		err := flash.MakeDir(path, folder.perm)
		if err == nil {
			err = flash.Sweep(path)
		}
		if err != nil && !errors.Is(err, syscall.EROFS) {
			if folder.name == "" && !exists(path) {
				return nil, fmt.Errorf("open state folder %s: %w", dir, err)
			}
			s.damage = append(s.damage, fmt.Errorf("the folder %s is damaged: %w", filepath.Join(dir, folder.name), err))
			continue
		}
		const writable = 2 // W_OK of unistd.h
		s.readOnly = s.readOnly || err != nil || errors.Is(syscall.Access(path, writable), syscall.EROFS)
	}
	if err := s.closeStartup(); err != nil && !s.readOnly {
		s.damage = append(s.damage, fmt.Errorf("others may be able to read the startup-config: %w", err))
	}
	s.loadKeys()
	s.finishPair()
	s.finishTaking()
	return s, nil
}

// exists reports whether a folder is there, whatever is wrong with it.
func exists(dir string) bool {
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}

// closeStartup closes a startup-config that was put there by hand to other users: it holds passwords.
func (s *Store) closeStartup() error {
	fi, err := os.Stat(s.startup.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && fi.Mode().IsRegular() && fi.Mode().Perm() != s.startup.Perm {
		err = os.Chmod(s.startup.Path, s.startup.Perm)
	}
	return err
}

// ReadOnly reports that nothing can be written.
func (s *Store) ReadOnly() bool { return s.readOnly }

// AlarmHistory opens the history of alarms: JSON lines, one file a day. Close the log after use.
func (s *Store) AlarmHistory() (*flash.Log, error) {
	return flash.OpenLog(flash.LogOptions{Dir: filepath.Join(s.dir, alarmsDir), Suffix: ".jsonl", Perm: 0o600, MaxTotal: alarmsMaximum})
}

// Trail opens the trail of who did what: JSON lines, one file a day. Close the log after use.
func (s *Store) Trail() (*flash.Log, error) {
	return flash.OpenLog(flash.LogOptions{Dir: filepath.Join(s.dir, trailDir), Suffix: ".jsonl", Perm: 0o600, MaxTotal: trailMaximum, SyncLines: 1000})
}

// RecordsDir is the folder of the call records. Package records makes it, and owns what is in it.
func (s *Store) RecordsDir() string { return filepath.Join(s.dir, recordsDir) }

// FleetDir is the folder of what the box has for the hub of its fleet: its key, its leases, what is not sent yet. Package member makes it, and owns
// what is in it. A backup leaves it out: two boxes with one key would be one to the hub.
func (s *Store) FleetDir() string { return filepath.Join(s.dir, fleetDir) }

// EraseFleet removes it, for a box that begins anew.
func (s *Store) EraseFleet() error {
	if !exists(s.FleetDir()) {
		return nil
	}
	if err := os.RemoveAll(s.FleetDir()); err != nil {
		return err
	}
	return flash.SyncDir(s.dir)
}

// PairDir is the folder of what the box is in its pair: its key. Package pair/link makes it, and owns what is in it. A backup leaves it out: two boxes
// with one key would be one to each other.
func (s *Store) PairDir() string { return filepath.Join(s.dir, pairDir) }
