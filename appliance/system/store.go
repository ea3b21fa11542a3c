package system

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"viaduct/appliance/flash"
)

// Store is the state folder of a box: startup-config and the last ten before it, keys and certificates, licenses, the saved
// time, call records. Every change is atomic and survives a power cut once the method has returned. Keys and certificates
// are read once and served from memory. A file that cannot be read is reported by Problems and left in its place; the others
// are loaded. Store implements pki.Store. Safe for concurrent use.
type Store struct {
	dir     string
	startup flash.Versions

	writing sync.Mutex // one change at a time, and records
	records *flash.Log // opened by the first record

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
	certFolder  = "pki/certificate"
	keyFolder   = "pki/private-key"
	recordsDir  = "cdr"

	keptStartups   = 10
	recordsMaximum = 256 << 20 // octets of call records; about half a million calls
)

// OpenStore opens the state folder and makes what is missing of it. The error says that the folder cannot be used at all;
// single files that cannot be read are logged and in Problems.
func OpenStore(dir string, log *slog.Logger) (*Store, error) {
	s := &Store{
		dir:     dir,
		startup: flash.Versions{Path: filepath.Join(dir, startupFile), Keep: keptStartups, Perm: 0o600}, // it holds passwords
		certs:   map[string]entry[[]*x509.Certificate]{},
		keys:    map[string]entry[crypto.Signer]{},
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
		if err != nil {
			return nil, fmt.Errorf("open state folder: %w", err)
		}
	}
	if err := s.loadKeys(); err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	for _, err := range s.Problems() {
		log.Error("key store", "err", err)
	}
	return s, nil
}

// Close puts the last call records on flash.
func (s *Store) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.records == nil {
		return nil
	}
	err := s.records.Close()
	s.records = nil
	return err
}

// ReadConfig returns the text of "startup-config", "factory-config", or "startup-config.N", the Nth last one (from 1). The
// error wraps fs.ErrNotExist when there is none.
func (s *Store) ReadConfig(name string) ([]byte, error) {
	if name == "factory-config" {
		return []byte(factoryConfig), nil
	}
	if name == startupFile {
		text, err := os.ReadFile(s.startup.Path)
		if err != nil {
			return nil, fmt.Errorf("read startup-config: %w", err)
		}
		return text, nil
	}
	digits, ok := strings.CutPrefix(name, startupFile+".")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return nil, fmt.Errorf("there is no configuration file %q: %w", name, fs.ErrNotExist)
	}
	list, err := s.startup.List()
	if err != nil {
		return nil, err
	}
	if n < 1 || n > len(list) {
		return nil, fmt.Errorf("there is no %s, %d older ones are kept: %w", name, len(list), fs.ErrNotExist)
	}
	return s.startup.Load(list[n-1].Number)
}

// OldStartups lists the kept startup-configs, youngest first: the first is startup-config.1.
func (s *Store) OldStartups() ([]flash.Version, error) { return s.startup.List() }

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

// Licenses returns the keys of the installed licenses, in the order in which they were installed.
func (s *Store) Licenses() (keys []string, err error) {
	lines, err := s.licenseLines()
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	return keys, err
}

// AppendLicense keeps a key with the comment lines that came before it. A key that is there already is not added twice.
func (s *Store) AppendLicense(key string, comments ...string) error {
	return s.editLicenses(func(lines []string) []string {
		for _, line := range lines {
			if strings.TrimSpace(line) == key {
				return lines
			}
		}
		for _, c := range comments {
			if c = strings.TrimSpace(c); !strings.HasPrefix(c, "#") {
				c = "# " + c
			}
			lines = append(lines, c)
		}
		return append(lines, key)
	})
}

// RemoveLicense forgets a key and the comment lines directly above it. A key that is not there is no error.
func (s *Store) RemoveLicense(key string) error {
	return s.editLicenses(func(lines []string) []string {
		var kept []string
		comments := 0 // at the end of kept
		for _, line := range lines {
			switch {
			case strings.TrimSpace(line) == key:
				kept, comments = kept[:len(kept)-comments], 0
				continue
			case strings.HasPrefix(line, "#"):
				comments++
			default:
				comments = 0
			}
			kept = append(kept, line)
		}
		return kept
	})
}

// licenseLines are the lines of the licenses file, comments as they were pasted.
func (s *Store) licenseLines() ([]string, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, licenseFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read licenses: %w", err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' }), nil
}

func (s *Store) editLicenses(edit func(lines []string) []string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	lines, err := s.licenseLines()
	if err != nil {
		return err
	}
	next := edit(slices.Clone(lines))
	if slices.Equal(next, lines) {
		return nil
	}
	text := strings.Join(next, "\n") + "\n"
	if err := flash.Write(filepath.Join(s.dir, licenseFile), []byte(text), 0o644); err != nil {
		return fmt.Errorf("save licenses: %w", err)
	}
	return nil
}

// LoadTime returns the time that was saved last, the zero time when none is saved or the file is damaged.
func (s *Store) LoadTime() (time.Time, error) {
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

// AppendRecord keeps a call record as one JSON line of its day's file. It may wait for an fsync.
func (s *Store) AppendRecord(record any) error {
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("keep call record: %w", err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.records == nil {
		s.records, err = flash.OpenLog(flash.LogOptions{Dir: filepath.Join(s.dir, recordsDir), Suffix: ".jsonl", Perm: 0o600, MaxTotal: recordsMaximum})
	}
	if err == nil {
		err = s.records.Append(line)
	}
	if err != nil {
		return fmt.Errorf("keep call record: %w", err)
	}
	return nil
}

// factoryConfig is what a box without startup-config gets by `copy factory-config startup-config`.
const factoryConfig = `# factory configuration: the LAN port at a known address, nothing else
context ip ROUTER

  interface if_eth00
    ipaddress if_eth00 192.168.1.1/24

port ethernet 0 0
  bind interface ROUTER if_eth00
  no shutdown
`
