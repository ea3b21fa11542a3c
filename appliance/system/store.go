package system

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"viaduct/appliance/flash"
)

// Store is the state folder of a box: startup-config and the last ten before it, keys and certificates, licenses, the saved
// time, call records. Every change is atomic and survives a power cut once the method has returned. Keys and certificates
// are read once and served from memory. A file that cannot be read is reported by Problems and left in its place; the others
// are loaded. Store implements pki.Store. Safe for concurrent use.
type Store struct {
	dir      string
	startup  flash.Versions
	licenses flash.Versions

	writing  sync.Mutex // one change at a time
	readOnly bool       // nothing can be written, from the start on
	damage   []error    // what could not be read at the start, save single keys

	mu    sync.RWMutex // the maps
	certs map[string]entry[[]*x509.Certificate]
	keys  map[string]entry[crypto.Signer]
}

// entry is one file of the key store: what it holds, or why it cannot be used.
type entry[T any] struct {
	value T
	err   error
}

// The layout of the folder. Private keys have a folder of their own so that it can be closed as a whole.
const (
	startupFile = "startup-config"
	licenseFile = "licenses"
	timeFile    = "time"
	driftFile   = "drift"
	certFolder  = "pki/certificate"
	keyFolder   = "pki/private-key"
	recordsDir  = "cdr"

	keptStartups   = 10
	recordsMaximum = 256 << 20 // octets of call records; about half a million calls
)

// OpenStore opens the state folder and makes what is missing of it. The error says that there is no such folder; what in it cannot
// be read is in Problems. One that can only be read is used: PID 1 mounts a damaged file system so, and the box must come up with
// what is in it.
func OpenStore(dir string) (*Store, error) {
	s := &Store{
		dir:      dir,
		startup:  flash.Versions{Path: filepath.Join(dir, startupFile), Keep: keptStartups, Perm: 0o600}, // it holds passwords
		licenses: flash.Versions{Path: filepath.Join(dir, licenseFile), Keep: 1, Perm: 0o644},
		certs:    map[string]entry[[]*x509.Certificate]{},
		keys:     map[string]entry[crypto.Signer]{},
	}
	for _, folder := range []struct {
		name string
		perm fs.FileMode
	}{{"", 0o755}, {"pki", 0o755}, {certFolder, 0o755}, {keyFolder, 0o700}} {
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
	return s, nil
}

// exists reports whether a folder is there, whatever is wrong with it.
func exists(dir string) bool {
	fi, err := os.Stat(dir)
	return err == nil && fi.IsDir()
}

// closeStartup lets only us read a startup-config that was put there by hand: it holds passwords.
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

// Startup returns the text of the startup-config; the error is fs.ErrNotExist when there is none. An empty one is damaged: none is
// ever saved.
func (s *Store) Startup() ([]byte, error) {
	text, err := os.ReadFile(s.startup.Path)
	if err == nil && len(text) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("read startup-config: %w", err)
	}
	return text, nil
}

// SaveStartup replaces the startup-config; the one before becomes number 1 of the kept ones.
func (s *Store) SaveStartup(text []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.startup.Save(text); err != nil {
		return fmt.Errorf("save startup-config: %w", err)
	}
	return nil
}

// EraseStartup removes the startup-config; it stays among the kept ones.
func (s *Store) EraseStartup() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.startup.Erase(); err != nil {
		return fmt.Errorf("erase startup-config: %w", err)
	}
	return nil
}

// OldStartups lists the kept startup-configs, youngest first: the first is number 1.
func (s *Store) OldStartups() ([]flash.Version, error) { return s.startup.List() }

// OldStartup returns the text of the nth last startup-config, n from 1.
func (s *Store) OldStartup(n int) ([]byte, error) {
	list, err := s.startup.List()
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(list) {
		return nil, &fs.PathError{Op: "read", Path: fmt.Sprintf("startup-config.%d", n), Err: fs.ErrNotExist}
	}
	return s.startup.Load(list[n-1].Number)
}

// licenseHead begins the file of licenses, so that one without any license is not empty.
const licenseHead = "# license keys, one a line\n"

// errEmpty is of a file that holds nothing, as a power cut leaves it.
var errEmpty = errors.New("it is empty")

// Licenses returns the keys of the installed licenses. In their file stands one a line; lines that begin with # do not count. Of a
// file that is empty or cannot be read the error says so, and the keys are those that were there before the last change.
func (s *Store) Licenses() ([]string, error) {
	text, err := os.ReadFile(s.licenses.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && len(bytes.Trim(text, "\x00\r\n ")) == 0:
		err = errEmpty
	}
	if err == nil {
		return licenseLines(text), nil
	}
	text = nil
	if old, e := s.licenses.List(); e == nil && len(old) > 0 {
		text, _ = s.licenses.Load(old[0].Number)
	}
	return licenseLines(text), fmt.Errorf("the file of licenses is damaged: %w", err)
}

func licenseLines(text []byte) (keys []string) {
	for line := range strings.Lines(string(text)) {
		if key := strings.TrimSpace(line); key != "" && key[0] != '#' {
			keys = append(keys, key)
		}
	}
	return keys
}

// AddLicense keeps a key. One that is there already is not added twice.
func (s *Store) AddLicense(key string) error {
	return s.editLicenses(func(keys []string) []string {
		if slices.Contains(keys, key) {
			return keys
		}
		return append(keys, key)
	})
}

// RemoveLicense forgets a key. One that is not there is no error.
func (s *Store) RemoveLicense(key string) error {
	return s.editLicenses(func(keys []string) []string {
		return slices.DeleteFunc(keys, func(k string) bool { return k == key })
	})
}

func (s *Store) editLicenses(edit func(keys []string) []string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	keys, damaged := s.Licenses()
	before := len(keys)
	if keys = edit(keys); len(keys) == before && damaged == nil {
		return nil
	}
	text := licenseHead + strings.Join(append(keys, ""), "\n")
	if err := s.licenses.Save([]byte(text)); err != nil {
		return fmt.Errorf("save licenses: %w", err)
	}
	return nil
}

// SavedTime returns the time that was saved last, the zero time when none is saved or the file is damaged.
func (s *Store) SavedTime() (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, timeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read saved time: %w", err)
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err != nil {
		return time.Time{}, fmt.Errorf("read saved time: %w", err)
	}
	return t, nil
}

// SaveTime keeps t for the next start.
func (s *Store) SaveTime(t time.Time) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := flash.Write(filepath.Join(s.dir, timeFile), []byte(t.UTC().Format(time.RFC3339)+"\n"), 0o644); err != nil {
		return fmt.Errorf("save time: %w", err)
	}
	return nil
}

// SavedDrift returns the frequency of the clock that was saved last, in parts per million, 0 when none is saved.
func (s *Store) SavedDrift() (float64, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, driftFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var drift float64
	if err == nil {
		drift, err = strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	}
	if err != nil {
		return 0, fmt.Errorf("read saved drift: %w", err)
	}
	return drift, nil
}

// SaveDrift keeps the frequency of the clock for the next start.
func (s *Store) SaveDrift(drift float64) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := flash.Write(filepath.Join(s.dir, driftFile), fmt.Appendf(nil, "%.3f\n", drift), 0o644); err != nil {
		return fmt.Errorf("save drift: %w", err)
	}
	return nil
}

// Records opens the call records: JSON lines, one file a day. Close the log after use.
func (s *Store) Records() (*flash.Log, error) {
	return flash.OpenLog(flash.LogOptions{Dir: filepath.Join(s.dir, recordsDir), Suffix: ".jsonl", Perm: 0o600, MaxTotal: recordsMaximum})
}
